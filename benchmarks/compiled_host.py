"""
Our gateway with nothing behind it, compiled.

Run: python -m benchmarks.compiled_host PORT.
"""

from __future__ import annotations

import runpy

from opamp_gateway import compiled

if __name__ == "__main__":
    compiled.activate("required")
    runpy.run_module("benchmarks.gateway_host", run_name="__main__")
