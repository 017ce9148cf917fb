"""The page's one style sheet, and the policy that lets a browser use it and nothing else.

Colours meet a contrast of 4.5 to 1 on their grounds in both schemes (WCAG 2.2, 1.4.3), which a test holds.
"""

from base64 import b64encode
from hashlib import sha256

LIGHT = {
    "ground": "#f6f7f9",
    "raised": "#ffffff",
    "text": "#1b2430",
    "quiet": "#566173",
    "line": "#d5dae2",
    "link": "#0b5cad",
    "good": "#14713a",
    "bad": "#b3261e",
    "bad-ground": "#fdecea",
}
DARK = {
    "ground": "#12161c",
    "raised": "#1b212a",
    "text": "#e6eaf0",
    "quiet": "#a3aebd",
    "line": "#343d4a",
    "link": "#7db8f5",
    "good": "#6fce93",
    "bad": "#ff9a92",
    "bad-ground": "#3a1d1c",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


STYLE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    """
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:1rem/1.5 system-ui,sans-serif;
overflow-wrap:break-word}
a{color:var(--link)}
a:focus-visible,button:focus-visible,input:focus-visible,summary:focus-visible,main:focus-visible{
outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.5rem;background:var(--raised);padding:.5rem 1rem;z-index:1}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:1rem}
h1{font-size:1.5rem;line-height:1.25;margin:.25rem 0}
h2{font-size:1.15rem;margin:0 0 .5rem}
h3{font-size:1rem;margin:1rem 0 .25rem}
p{margin:.25rem 0 .5rem;max-width:70ch}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0;margin:.5rem 0}
nav a{display:inline-block;padding:.25rem 0}
nav a[aria-current]{color:var(--text);font-weight:600;text-decoration:none}
search form{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end;margin:.5rem 0 1rem}
label{display:block;font-size:.875rem;color:var(--quiet)}
input{font:inherit;color:inherit;background:var(--raised);border:1px solid var(--quiet);border-radius:.375rem;
padding:.375rem .5rem;width:100%}
search div{flex:1 1 18rem;max-width:32rem}
button,.action{font:inherit;color:var(--link);background:var(--raised);border:1px solid currentColor;
border-radius:.375rem;padding:.375rem .75rem;cursor:pointer;text-decoration:none;
display:inline-block;white-space:nowrap}
button:hover,.action:hover{text-decoration:underline}
.confirm{background:var(--link);color:var(--raised);border-color:var(--link)}
section{background:var(--raised);border:1px solid var(--line);border-radius:.5rem;padding:1rem;margin:0 0 1rem}
.verdict{border-left:.375rem solid var(--good)}
.verdict.bad{border-left-color:var(--bad);background:var(--bad-ground)}
.verdict ul{margin:.25rem 0;padding-left:1.25rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.5rem 1.5rem;margin:0 0 .75rem}
.figures div{display:flex;flex-direction:column-reverse;justify-content:flex-end}
.figures dt{color:var(--quiet);font-size:.875rem}
.figures dd{margin:0;font-size:1.75rem;font-weight:600;line-height:1.2;font-variant-numeric:tabular-nums}
.quiet{color:var(--quiet);font-size:.875rem}
span.quiet{white-space:nowrap}
section>:last-child{margin-bottom:0}
.good{color:var(--good);font-weight:600}
.bad{color:var(--bad);font-weight:600}
.verdict.bad,.verdict.bad p{color:var(--text);font-weight:400}
.verdict.bad h2{color:var(--bad)}
table{border-collapse:collapse;width:100%;margin:.5rem 0;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--quiet);font-size:.875rem;padding-bottom:.25rem}
th,td{text-align:left;vertical-align:top;padding:.375rem .75rem .375rem 0;border-top:1px solid var(--line)}
thead th{font-size:.875rem;color:var(--quiet);font-weight:600;border-top:0}
tbody th{font-weight:400}
code{font:.8125rem/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
.pages{display:flex;gap:1.5rem;margin:.5rem 0}
footer{color:var(--quiet);font-size:.875rem;padding-bottom:2rem}
@media(max-width:68rem){
section{padding:.75rem}
thead{position:absolute;left:-999rem}
table,tbody,caption{display:block}
tr{display:block;border-top:1px solid var(--line);padding:.5rem 0}
th,td{display:block;position:relative;border:0;padding:.125rem 0 .125rem 7.5rem;overflow-wrap:anywhere}
th::before,td::before{content:attr(data-head);position:absolute;left:0;width:7rem;color:var(--quiet);font-size:.875rem}
td:empty{display:none}
nav a,button,.action{padding-block:.5rem}
}
@media(min-width:68.01rem){tbody th{min-width:10rem}}
@media(prefers-reduced-motion:no-preference){:root{scroll-behavior:smooth}}
"""
)

STYLE_SOURCE = f"'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {STYLE_SOURCE}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
