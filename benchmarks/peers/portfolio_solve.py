"""A portfolio library solves the problems of a file, each built anew, as its introduction does.

    python -m benchmarks.peers.portfolio_solve LIBRARY FILE ROUNDS

Prints for each objective that the library has the seconds of the fastest round and the weights.
The file (npz) holds mean (N,) and cov (N, N) per bar, returns (T, N), the cap and the aversion.
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd


def pypfopt(mean, cov, returns, cap, aversion):
    """Return what is solved by objective: PyPortfolioOpt."""
    from pypfopt import EfficientCVaR, EfficientFrontier, HRPOpt  # noqa: PLC0415  one a process

    bounds = (0.0, cap)
    frame, table = pd.Series(mean), pd.DataFrame(cov)
    history = pd.DataFrame(returns)

    def utility():
        # its own choice of a solver (OSQP) stops at a thousandth of the objective
        front = EfficientFrontier(frame, table, weight_bounds=bounds, solver="CLARABEL")
        return front.max_quadratic_utility(risk_aversion=aversion).values()

    def tail():
        return EfficientCVaR(frame, history, beta=0.95, weight_bounds=bounds).min_cvar().values()

    return {
        "mean_variance": utility,
        "min_cvar": tail,
        "hrp": lambda: HRPOpt(history, table).optimize().values(),
    }


def riskfolio(mean, cov, returns, cap, aversion):
    """Return what is solved by objective: Riskfolio-Lib."""
    import riskfolio as rp  # noqa: PLC0415  one a process

    size = len(mean)
    history = pd.DataFrame(returns)
    frame, table = pd.DataFrame(mean[None, :]), pd.DataFrame(cov)

    def portfolio(*, capped=True):
        made = rp.Portfolio(returns=history)
        made.mu, made.cov = frame, table
        if capped:
            made.ainequality, made.binequality = np.eye(size), np.full((size, 1), cap)
        return made

    def utility():
        # its utility is mean less l times the variance
        return portfolio().optimization(model="Classic", rm="MV", obj="Utility", l=aversion / 2)

    def tail():
        return portfolio().optimization(model="Classic", rm="CVaR", obj="MinRisk")

    def tree():
        made = rp.HCPortfolio(returns=history)
        return made.optimization(
            model="HRP", rm="MV", linkage="single", method_cov="custom_cov", custom_cov=table
        )

    works = {
        "mean_variance": utility,
        "min_cvar": tail,
        "risk_parity": lambda: portfolio(capped=False).rp_optimization(model="Classic", rm="MV"),
        "hrp": tree,
    }
    return {name: lambda work=work: work()["weights"] for name, work in works.items()}


def skfolio(mean, cov, returns, cap, aversion):
    """Return what is solved by objective: skfolio."""
    from skfolio import RiskMeasure  # noqa: PLC0415  one a process
    from skfolio.cluster import HierarchicalClustering, LinkageMethod  # noqa: PLC0415
    from skfolio.optimization import (  # noqa: PLC0415
        HierarchicalRiskParity,
        MaximumDiversification,
        MeanRisk,
        ObjectiveFunction,
        RiskBudgeting,
    )
    from skfolio.prior import BasePrior, ReturnDistribution  # noqa: PLC0415

    class Given(BasePrior):
        """The estimates of the file: estimating is not what is timed."""

        def __init__(self):
            pass

        def fit(self, X, y=None, **_):  # noqa: N803, ARG002  scikit-learn's names
            self.return_distribution_ = ReturnDistribution(
                mu=mean, covariance=cov, returns=np.asarray(X)
            )
            return self

    given = {"prior_estimator": Given(), "min_weights": 0.0}
    models = {
        "mean_variance": lambda: MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
            risk_aversion=aversion / 2,  # of the variance
            max_weights=cap,
            **given,
        ),
        "min_cvar": lambda: MeanRisk(risk_measure=RiskMeasure.CVAR, max_weights=cap, **given),
        "risk_parity": lambda: RiskBudgeting(risk_measure=RiskMeasure.VARIANCE, **given),
        "max_diversification": lambda: MaximumDiversification(max_weights=cap, **given),
        "hrp": lambda: HierarchicalRiskParity(
            hierarchical_clustering_estimator=HierarchicalClustering(
                linkage_method=LinkageMethod.SINGLE
            ),
            **given,
        ),
    }
    return {name: lambda make=make: make().fit(returns).weights_ for name, make in models.items()}


LIBRARIES = {"PyPortfolioOpt": pypfopt, "Riskfolio-Lib": riskfolio, "skfolio": skfolio}


def timed(work, rounds):
    """Return the seconds of the fastest round, and the answer; the first round is to warm up."""
    seconds, answer = [], work()
    for _ in range(rounds):
        begun_s = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - begun_s)
    return min(seconds), [float(value) for value in answer]


def main():
    """Solve what is asked for."""
    warnings.simplefilter("ignore")
    library, path, rounds, *wanted = sys.argv[1:]
    with np.load(path) as file:
        works = LIBRARIES[library](
            *(file[name] for name in ("mean", "cov", "returns")),
            float(file["cap"]),
            float(file["aversion"]),
        )
    chosen = {name: work for name, work in works.items() if name in wanted}
    print(json.dumps({name: timed(work, int(rounds)) for name, work in chosen.items()}))


main()
