"""`python -m opampctl` is `opampctl`."""

from opampctl.main import app

if __name__ == "__main__":  # the processes of a large fleet import this file, too
    app(prog_name="opampctl")
