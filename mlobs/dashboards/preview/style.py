"""The stylesheet of a page."""

from mlobs.dashboards.preview.colours import Theme
from mlobs.dashboards.preview.markup import Markup

CELL, GAP, EDGE = 30, 8, 16
HEADER, PADDING = 32, 8

RULES = """
*{box-sizing:border-box}
html{background:CANVAS;color:TEXT;font:13px/1.45 Inter,"Helvetica Neue",Helvetica,Arial,sans-serif}
body{margin:0 auto;padding:EDGEpx;width:WIDTHpx;max-width:100%}
svg{display:block;max-width:100%;height:auto;font-family:inherit}
a,.link{color:LINK;text-decoration:none}a:hover{text-decoration:underline}
td[style] .link{color:inherit;text-decoration:underline}
h1{font-size:20px;font-weight:500;margin:0}
header p{margin:2px 0 10px;color:FAINT}
.bar-top{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin-bottom:12px}
.chip{display:inline-flex;border:1px solid BORDER;border-radius:3px;overflow:hidden;background:PANEL;
max-width:100%}
.chip b{font-weight:500;color:LINK;background:RAISED;padding:4px 8px;white-space:nowrap}
.chip span{padding:4px 8px;max-width:300px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.chip.off{opacity:.75}.chip i{align-self:center;width:10px;height:10px;border-radius:50%;margin-left:8px}
.push{margin-left:auto}
h2{font-size:15px;font-weight:500;margin:14px 0 8px}h2 small{color:FAINT;font-weight:400;margin-left:8px}
h2::before{content:"";display:inline-block;border:5px solid transparent;border-top-color:FAINT;
border-bottom-width:0;margin:0 8px 2px 0}
.grid{display:grid;grid-template-columns:repeat(24,minmax(0,1fr));grid-auto-rows:CELLpx;gap:GAPpx}
.panel{background:PANEL;border:1px solid BORDER;border-radius:3px;overflow:hidden;position:relative;
display:flex;flex-direction:column;min-width:0}
.panel h3{height:HEADERpx;line-height:HEADERpx;margin:0;padding:0 PADDINGpx;font-size:14px;font-weight:500;
white-space:nowrap;overflow:hidden;text-overflow:ellipsis;flex:none;display:flex;gap:6px;align-items:center}
.panel h3>span{overflow:hidden;text-overflow:ellipsis}
.panel h3 i{flex:none;width:14px;height:14px;border:1px solid FAINT;border-radius:50%;color:FAINT;
font:italic 10px/12px Georgia,serif;text-align:center}
.panel h3 a,.panel h3 .link{margin-left:auto;font-size:12px;font-weight:400;flex:none;
max-width:45%;overflow:hidden;text-overflow:ellipsis}
.body{flex:1;min-height:0;padding:0 PADDINGpx PADDINGpx;overflow:hidden;position:relative}
.bare .body{padding-top:PADDINGpx}.clear{background:none;border-color:transparent}
.empty{height:100%;display:grid;place-items:center;color:FAINT;font-size:15px;text-align:center}
.problem,.note{margin:0 0 4px;font-size:12px;line-height:1.35;overflow-wrap:anywhere}
.problem{color:BAD}.note{color:FAINT}
.cut{position:absolute;right:8px;bottom:2px;margin:0;padding:0 4px;background:PANEL}
.beside{display:flex;gap:8px;height:100%;align-items:flex-start}.beside>svg{flex:none}
.beside>.legend,.beside>.legend-list{flex:1;min-width:0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-weight:500;text-align:left;color:FAINT}.number{text-align:right}.middle{text-align:center}
.legend{font-size:12px;line-height:15px;table-layout:fixed}.legend th,.legend td{padding:2px 4px;height:19px;
white-space:nowrap;overflow:hidden;text-overflow:ellipsis}.legend th{color:LINK;height:21px}
.legend td:first-child{padding-left:0}
.more{color:FAINT;font-style:italic}
.swatch{display:inline-block;width:14px;margin-right:6px;vertical-align:middle}
.legend-list{font-size:12px;line-height:19px;overflow:hidden}.legend-list .item{margin-right:16px;
white-space:nowrap;display:inline-block}
.rows{font-size:13px;table-layout:fixed}
.rows th,.rows td{height:31px;padding:0 8px;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis;border-bottom:1px solid BORDER}.rows th{height:33px}
.rows tr:last-child td{border-bottom:0}
.gauge{display:flex;gap:8px;align-items:center;justify-content:flex-end}
.track{flex:1;min-width:40px;max-width:220px;height:14px;background:RAISED;border-radius:2px}
.bar{display:block;height:100%;border-radius:2px}
.words{font-size:13px;overflow:hidden;height:100%}.words p,.words ul,.words ol,.words pre{margin:0 0 6px}
.words ul,.words ol{padding-left:20px}.words h2,.words h3,.words h4,.words h5{font-size:15px;font-weight:500;
margin:0 0 4px;height:auto;line-height:1.4;padding:0;display:block}.words h2::before{display:none}
code,pre{font:12px/1.45 ui-monospace,"DejaVu Sans Mono",Menlo,monospace;background:RAISED;border-radius:2px;
padding:1px 4px}pre{margin:0;white-space:pre-wrap}
footer{color:FAINT;font-size:12px;margin-top:14px;overflow-wrap:anywhere}
"""


def style(theme: Theme, width: int) -> Markup:
    """Return the rules of a page of so many pixels."""
    words = {
        "CANVAS": theme.canvas,
        "PANEL": theme.panel,
        "RAISED": theme.raised,
        "BORDER": theme.border,
        "TEXT": theme.text,
        "FAINT": theme.faint,
        "LINK": theme.link,
        "BAD": theme.colour("red"),
        "WIDTH": str(width),
        "HEADER": str(HEADER),
        "PADDING": str(PADDING),
        "CELL": str(CELL),
        "GAP": str(GAP),
        "EDGE": str(EDGE),
    }
    rules = RULES
    for word, put in words.items():
        rules = rules.replace(word, put)
    return Markup(rules.strip())
