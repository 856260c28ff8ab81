// The style of the page: private to the room.
#pragma once

namespace tersor::eval {

inline constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--bg:#fff;--fg:#1a1d21;--soft:#5c6570;--line:#d8dde3;--card:#f5f7f9;
--a:#2563c9;--b:#d9822b;--kept:#9aa4af;--good:#1a7f4b;--bad:#b3261e;--out:#b3261e22;--h:#7f9fce}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e9ec;--soft:#9aa4af;--line:#333a41;
--card:#1d2226;--a:#6ea1f2;--b:#e8a35a;--kept:#66707a;--good:#5fc792;--bad:#f2837b;--out:#f2837b2e;
--h:#48638c}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1rem}
h1{font-size:1.35rem;margin:.5rem 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2.2rem 0 .4rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
p,figcaption,li{overflow-wrap:anywhere}
.soft,figcaption,small{color:var(--soft);font-size:.87rem}
.verdict{font-size:1.15rem;font-weight:600;margin:.3rem 0}
.good{color:var(--good)}.bad{color:var(--bad)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.7rem;margin:1rem 0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
.facts b{display:block;font-size:1.5rem;line-height:1.25}
pre{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem;
white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
.scroll{overflow:auto;max-height:75vh}
table{border-collapse:collapse;font-size:.87rem;min-width:100%}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,.l{text-align:left}
th{color:var(--soft);font-weight:600;position:sticky;top:0;background:var(--bg)}
td.name{max-width:19rem;overflow:hidden;text-overflow:ellipsis}
td.wrap{white-space:normal;min-width:12rem}
tr.differs{background:var(--out)}
tr.taken{background:var(--card);font-weight:600}
td img{display:block;width:40px;height:40px;object-fit:contain;image-rendering:pixelated}
.key span{display:inline-block;width:.8rem;height:.6rem;margin:0 .35rem 0 .8rem}
.key span:first-child{margin-left:0}
.ka{background:var(--a)}.kb{background:var(--b)}.kk{background:var(--kept)}
.ko{background:var(--out);outline:1px solid var(--bad)}
svg text{font:12px ui-monospace,monospace;fill:var(--fg)}
.sh{display:none}
@media(max-width:60rem){.sh{display:inline}.lo{display:none}}
svg text.sh{font-size:10px}
svg text.v{text-anchor:end;fill:var(--soft)}
svg text.m{text-anchor:middle}svg.scatter text{fill:var(--soft)}
svg.bars{display:block;min-width:20rem}
.b0{fill:var(--a)}.b1{fill:var(--b)}.k{fill:var(--kept)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:1rem}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem}
figcaption b{color:var(--fg);overflow-wrap:anywhere}
svg.hist{width:100%;height:80px;display:block}
.h{fill:var(--h)}.out{fill:var(--out)}.clip{stroke:var(--bad);vector-effect:non-scaling-stroke}
svg.scatter{display:block;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
.chosen{stroke:var(--fg);stroke-width:2}.limit{stroke:var(--bad);stroke-dasharray:6 4}
@media print{.scroll{max-height:none;overflow:visible}figure,tr{break-inside:avoid}}
)";

}  // namespace tersor::eval
