"""Portfolio files on disk: read, and the commented one that ``apse init`` writes."""

from pathlib import Path
from typing import Final

import yaml

from schemas.policy import PolicyError, PortfolioPolicy, load_policy
from streams.core.calendar import check_schedule
from streams.core.covariance import parse_covariance
from streams.core.custom_terms import check_terms
from streams.core.errors import ApseError


def read_policy(path: Path) -> PortfolioPolicy:
    """Return the policy of a portfolio file.

    Raises
    ------
    PolicyError
        When it is no YAML mapping, or a key or value cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"{path}: not a text file: {error}"
        raise PolicyError(message) from error
    return parse_policy(text, str(path))


def parse_policy(text: str, where: str) -> PortfolioPolicy:
    """Return the policy that a text describes; ``where`` begins what is said of its faults.

    Raises
    ------
    PolicyError
        As :func:`read_policy`.
    """
    try:
        policy = load_policy(yaml.safe_load(text))
        check_schedule(policy.rebalance.schedule)
        parse_covariance(policy.estimation.covariance)
        check_terms(policy)
    except yaml.YAMLError as error:
        message = f"{where}: not a YAML file: {error}"
        raise PolicyError(message) from error
    except (PolicyError, ApseError) as error:
        message = f"{where}: {error}"
        raise PolicyError(message) from error
    return policy


TEMPLATE: Final = """\
# A portfolio of strategies. `apse policy check FILE` checks it; unknown keys are refused.
portfolio_id: {portfolio_id}
bar: 1d                      # 1s 5s 10s 30s 1m 5m 15m 30m 1h 4h 1d 1w 1mo; (start, end] in UTC
periods_per_year: 252        # bars in a year, for annual figures; never guessed
strategies:                  # or {{from_returns: true}}: all that the returns file holds
  - {{id: trend-example, family: trend}}
  - {{id: arbitrage-example, family: arbitrage}}
  - {{id: reversion-example, family: mean_reversion}}
  - {{id: maker-example, family: market_making, weight_max: 0.2}}
# initial_weights: {{trend-example: 0.5}}   # what is held at the start; the default is all cash
estimation:
  window_bars: 252           # longest history used
  min_bars: 63               # observations before a strategy takes part
  stale_bars: 5              # silent for longer: it may only be reduced
  windows: [20, 60, 252]     # rolling metrics are published for these
  covariance: ledoit_wolf    # docs/estimates.md has them all: sample, ewma:0.94, oas, denoise, ...
  mean: sample               # sample | ewma:0.97 | james_stein | bayes_stein | black_litterman ...
objective:
  type: min_variance         # docs/objectives.md: mean_variance, risk_parity, min_cvar, hrp, ...
  # risk_aversion: 1.0       # for mean_variance: maximises return - risk_aversion/2 * variance
constraints:
  long_only: true
  weight_min: 0.0
  weight_max: 0.4
  families:                  # bounds of a family's total weight
    trend: {{min: 0.0, max: 0.4}}
    arbitrage: {{min: 0.0, max: 0.4}}
    mean_reversion: {{min: 0.0, max: 0.4}}
    market_making: {{min: 0.0, max: 0.4}}
  # turnover_max: 0.2        # one way, against drifted weights; the first build is exempt
  correlation:               # only positive correlation is punished
    cluster_limit: 0.6       # strategies that move together beyond this are a cluster
    cluster_weight_max: 0.5  # most weight of a cluster
costs:
  linear_bps: 5              # of the value traded, both sides
  # horizon_bars: 21         # how long a trade is held, to weigh its gain against its cost
cash: {{min: 0.0, max: 0.0, rate: 0.0}}
execution: {{delay_bars: 0}} # 0: filled at the close that decided; 1: one bar later
ledger: assumed              # assumed fills (replay, paper) | reported by the execution layer
clock: event                 # time comes with the data | wall: the machine's, for live trading
rebalance:
  schedule: weekly           # never | every_bar | daily | weekly | monthly | cron:EXPR
  drift: {{max_abs: 0.05}}   # or when a held weight is this far from its target
  gate: none                 # or {{k: 1.0}}: trade only for a gain above k times the cost
  cooldown_bars: 0
# overlay: {{drawdown: {{start: 0.05, full: 0.2, floor: 0.3}}}}   # less weight in a drawdown
# shadows: [{{name: parity, objective: {{type: risk_parity}}}}]   # paper books, 1/N always
fallback: [hold]             # where no answer is found: other_solver | hrp | inverse_volatility
# explain: {{prices: 4, resamples: 16}}   # prices of limits, error bars of weights
"""
