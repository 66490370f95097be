"""
How fast the platform is, beside a bare floor and beside a peer, measured in one run.

`python -m benchmarks` runs everything; README.md tells the method and how to add a measure.
"""
