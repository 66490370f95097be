"""`python -m opampctl` is `opampctl`."""

from opampctl.main import app

app(prog_name="opampctl")
