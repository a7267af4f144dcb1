"""The look of a static comparison; everything it shows is readable without it."""

from __future__ import annotations

# A class twice: JupyterLab sets every cell of an output to the right, by a rule of that weight.
FRAGMENT = """
.lw-static{font-size:13px;line-height:20px;max-width:1200px}
.lw-static .lw-verdict{font-size:16px;line-height:24px;font-weight:600;margin:8px 0}
.lw-static .lw-details{max-width:820px;margin:0 0 8px;opacity:.8}
.lw-static th.lw-group{padding-top:10px;font-weight:400;text-align:left;white-space:normal;
  background:color-mix(in srgb,currentColor 4%,transparent)}
.lw-static .lw-board th{white-space:normal;vertical-align:bottom}
.lw-static .lw-board td{min-width:56px;max-width:220px}
.lw-static .lw-board td:first-child{min-width:136px}
.lw-static .lw-board td:nth-child(3){white-space:nowrap}
.lw-static .lw-board .lw-r{white-space:normal}
.lw-static tr.lw-rec>:first-child{box-shadow:inset 3px 0 0 #00897b}
.lw-static .lw-meta{font-size:12px;line-height:16px;opacity:.75;margin:8px 0}
.lw-static .lw-scroll{overflow-x:auto;margin:8px 0 16px}
.lw-static table{border-collapse:collapse;font-size:12px;line-height:16px;margin:0;
  font-variant-numeric:tabular-nums}
.lw-static th,.lw-static td{padding:4px 8px;text-align:left;vertical-align:top;
  border-bottom:1px solid color-mix(in srgb,currentColor 13%,transparent)}
.lw-static th{font-weight:600;white-space:nowrap}
.lw-static .lw-r{white-space:nowrap}
.lw-static.lw-static :is(th,td){text-align:left}
.lw-static.lw-static .lw-r{text-align:right}
.lw-static .lw-n{white-space:nowrap}
.lw-static td{white-space:pre-line}
.lw-static .lw-m{font-family:var(--jp-code-font-family,ui-monospace,monospace)}
.lw-static td.lw-agree{opacity:.7}
.lw-static td.lw-differ{background:color-mix(in srgb,#ef6c00 13%,transparent)}
.lw-static td.lw-invented{background:color-mix(in srgb,#7e57c2 16%,transparent)}
.lw-static td.lw-null{font-style:italic;background:color-mix(in srgb,#7e57c2 8%,transparent)}
.lw-static td.lw-failed{background:color-mix(in srgb,#d32f2f 14%,transparent)}
.lw-static td.lw-missing{font-style:italic;background:repeating-linear-gradient(135deg,
  transparent 0 4px,color-mix(in srgb,currentColor 8%,transparent) 4px 5px)}
"""

PAGE = """
:root{color-scheme:light dark;--bg:#fff;--text:#212121}
@media (prefers-color-scheme:dark){:root{--bg:#212121;--text:#e2e2e2}}
body{margin:0 auto;padding:16px 24px 48px;max-width:1200px;background:var(--bg);color:var(--text);
  font:13px/20px system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:16px;line-height:24px;margin:8px 0}
h2,.lw-static h2{font-size:14px;line-height:20px;margin:24px 0 8px}
pre{white-space:pre-wrap;font-size:12px;line-height:16px}
summary{cursor:pointer;font-size:12px}
.lw-chart{max-width:100%;height:auto;font-size:11px}
.lw-chart text{fill:currentColor}
.lw-grid{stroke:currentColor;stroke-opacity:.15}
.lw-bar{stroke:#1565c0;stroke-width:1.5}
.lw-dot{fill:#1565c0}
.lw-margin{fill:#1565c0;fill-opacity:.12}
@media (prefers-color-scheme:dark){.lw-bar{stroke:#90caf9}.lw-dot{fill:#90caf9}}
"""
