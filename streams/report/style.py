"""The style sheet of a report: light and dark, wide and narrow, screen and paper."""

from typing import Final

__all__ = ["LAYERS", "STYLE"]

LAYERS: Final = 10
"""Colours that layers of an area can have; the rest, and cash, have their own."""

_LIGHT: Final = (
    "--page:#f5f6f8;--card:#fff;--ink:#16202c;--soft:#5b6775;--rule:#dfe3e8;--grid:#e8ebef;"
    "--main:#12468c;--one:#8a6d1f;--two:#8c4a8f;--band:#12468c26;--fall:#b3372f;--fill:#b3372f22;"
    "--up:18,101,63;--down:166,44,36;--cash:#d3d9e0;--rest:#98a2ae;"
    "--l0:#2f62a8;--l1:#d98032;--l2:#3f8f63;--l3:#b8483b;--l4:#7460ab;--l5:#8b6a4d;--l6:#c8709f;"
    "--l7:#5e6c7d;--l8:#a89a34;--l9:#3597a0"
)
_DARK: Final = (
    "--page:#0f141a;--card:#171e26;--ink:#e8edf3;--soft:#9fabb9;--rule:#2b3541;--grid:#232c36;"
    "--main:#7db1f5;--one:#d9b75a;--two:#cf93d2;--band:#7db1f52e;--fall:#ee8079;--fill:#ee807929;"
    "--up:64,170,116;--down:224,92,82;--cash:#39434f;--rest:#76828f;"
    "--l0:#5f93dc;--l1:#e79a55;--l2:#62b488;--l3:#dd7467;--l4:#9c88d3;--l5:#b4906f;--l6:#e094bf;"
    "--l7:#8896a8;--l8:#cabb54;--l9:#5bbac3"
)
_HEAT: Final = "".join(
    f".{sign}{step}{{background:rgba(var(--{name}),{0.06 + 0.1 * step:.2f})}}"
    for sign, name in (("u", "up"), ("d", "down"))
    for step in range(1, 6)
)
_LAYERS: Final = "".join(
    f".area.l{place}{{fill:var(--l{place})}}.key .l{place}::before{{background:var(--l{place})}}"
    for place in range(LAYERS)
)

STYLE: Final = (
    f":root{{color-scheme:light dark;{_LIGHT}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 24px}
header{padding-top:36px;padding-bottom:8px}
.over{margin:0;color:var(--main);font-size:12px;font-weight:600;letter-spacing:.09em;
text-transform:uppercase}
h1{margin:2px 0 4px;font-size:32px;line-height:1.2;font-weight:650;letter-spacing:-.015em;
overflow-wrap:anywhere}
.under{margin:0;color:var(--soft)}
h2{margin:0 0 2px;font-size:18px;line-height:1.3;font-weight:650;letter-spacing:-.005em}
h3{margin:20px 0 2px;font-size:14px;font-weight:600}
section{margin:18px 0;padding:22px 24px;background:var(--card);border:1px solid var(--rule);
border-radius:10px}
.lead{margin:0 0 12px;color:var(--soft);font-size:13.5px;max-width:78ch}
.cards{display:grid;grid-template-columns:repeat(6,1fr);gap:0;margin:18px 0;padding:0;
background:var(--card);border:1px solid var(--rule);border-radius:10px;overflow:hidden}
.cards div{padding:16px 18px;border-left:1px solid var(--rule);margin-left:-1px}
.cards dt{color:var(--soft);font-size:12.5px}
.cards dd{margin:0;font-size:25px;line-height:1.25;font-weight:600;letter-spacing:-.02em;
white-space:nowrap}
.cards small{display:block;color:var(--soft);font-size:12px;font-weight:400;letter-spacing:0;
line-height:1.4;white-space:normal}
.two{display:grid;grid-template-columns:1fr 1fr;gap:32px}
.two>*{min-width:0}
.scroll{overflow-x:auto}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--main);outline-offset:2px}
table{width:100%;border-collapse:collapse;font-size:13.5px}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:6px 8px;text-align:right;border-bottom:1px solid var(--rule);vertical-align:top;
white-space:nowrap}
th{font-weight:600}
thead th{color:var(--soft);font-size:12px;border-bottom-width:2px;white-space:nowrap}
th:first-child,td.words,th.words{text-align:left}
tbody th{white-space:normal;font-weight:500;
position:sticky;left:0;background:var(--card)}
tbody tr:last-child>*{border-bottom:0}
td small,th small{display:block;color:var(--soft);font-size:12px;font-weight:400}
.first th small{display:inline;margin-left:8px}
td.words{white-space:normal;overflow-wrap:anywhere;
min-width:11em}
tbody th.day{white-space:nowrap}
.own,.first td:nth-child(2){font-weight:650}
.heat td,.heat th{padding:5px 4px;text-align:center;border:1px solid var(--card);font-size:12.5px}
.heat tbody th{text-align:left;font-weight:600}
.heat td:last-child{font-weight:650}
.heat .none{color:var(--soft)}
.key{display:flex;flex-wrap:wrap;gap:2px 16px;margin:0 0 8px;padding:0;list-style:none;
color:var(--soft);font-size:12.5px}
.key li::before{content:"";display:inline-block;width:14px;height:3px;margin-right:6px;
border-radius:2px;vertical-align:middle;background:var(--main)}
.key.areas li::before{width:10px;height:10px}
.key .one::before{background:var(--one)}.key .two-line::before{background:var(--two)}
.key .band::before{height:10px;background:var(--band)}
.key .rest::before{background:var(--rest)}.key .cash::before{background:var(--cash)}
.key .light::before{background:var(--rest)}
.chart{display:block;overflow:visible}
.chart text{font-size:11.5px;fill:var(--soft)}
.tick,.mark,.who{paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}
.chart .mark{fill:var(--fall);font-weight:650;text-anchor:middle}
.chart .who{fill:var(--ink);font-size:12.5px;unicode-bidi:isolate}
.chart .value{fill:var(--soft)}
.grid{stroke:var(--grid)}.ground{stroke:var(--soft)}
.line{fill:none;stroke:var(--main);stroke-width:1.6;vector-effect:non-scaling-stroke;
stroke-linejoin:round}
.line.one{stroke:var(--one);stroke-width:1.3;stroke-dasharray:5 2}
.line.two-line{stroke:var(--two);stroke-width:1.3;stroke-dasharray:1.5 2}
.line.fall{stroke:var(--fall);stroke-width:1.2}
.fill{fill:var(--fill)}.band{fill:var(--band)}
.stroke,.cross{fill:none;vector-effect:non-scaling-stroke;stroke:var(--soft);stroke-width:1.2}
.cross{stroke:var(--fall);stroke-width:2}
.bar{fill:var(--main)}
.share.full{fill:var(--main)}.share.light{fill:var(--rest)}.share.less{fill:var(--fall)}
.area.rest{fill:var(--rest)}.area.cash{fill:var(--cash)}
"""
    + _LAYERS
    + _HEAT
    + """
details{margin-top:10px;font-size:13px}
summary{color:var(--soft);cursor:pointer;width:fit-content}
details .scroll{max-height:420px;overflow:auto;margin-top:6px}
footer{padding-bottom:48px;color:var(--soft);font-size:12.5px}
footer h2{font-size:14px;color:var(--ink)}
footer li{margin:4px 0;max-width:96ch}
footer ul{padding-left:18px}
@media (max-width:900px){.cards{grid-template-columns:repeat(3,1fr)}
.cards div{border-bottom:1px solid var(--rule);margin-bottom:-1px}.two{grid-template-columns:1fr}}
@media (max-width:600px){main,header,footer{padding-left:14px;padding-right:14px}
header{padding-top:22px}h1{font-size:25px}section{padding:16px 14px;border-radius:8px}
.cards{grid-template-columns:1fr 1fr}.cards div{padding:12px 14px}.cards dd{font-size:21px}
.minor,.first th small{display:none}
th,td{padding:6px 5px}table{font-size:12px}thead th{white-space:normal}
.heat td,.heat th{font-size:11px;padding:4px 3px}td.words{min-width:8em}
td.words:last-child{min-width:17em}.two{gap:0}}
@media print{@page{margin:12mm}:root{color-scheme:light;"""
    + _LIGHT
    + """}
body{background:#fff;zoom:.74}main,header,footer{max-width:none;padding:0}
section,.cards{break-inside:avoid;border-color:#ccc;margin:10px 0;padding:12px}
.long{break-inside:auto}tr{break-inside:avoid}.cards{grid-template-columns:repeat(6,1fr);padding:0}
.two{grid-template-columns:1fr 1fr}details:not([open]){display:none}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
)
