"""Speed and memory of the library next to others on the same server: ``python -m benchmarks``.

Imports point one way: ``reports → studies → runner → contenders``.

- ``contenders``: the library and the others, and the process that runs each
- ``runner``: starts those processes and the servers, counts traffic, sums up rounds
- ``studies``: the measurements: the comparison (the table), curves, a soak, memory,
  agent frameworks
- ``reports``: results as Markdown and SVG
- ``published``: the run that the README shows
"""
