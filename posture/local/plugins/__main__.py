"""Starts one stand-in: `python -m posture.local.plugins language|consul ENGINE`. The engine does, through a shim."""

import sys

from posture.local.plugins.lifetime import end_with_parent

if __name__ == "__main__":
    stand_in = sys.argv.pop(1)
    end_with_parent()
    if stand_in == "language":
        from posture.local.plugins import language_host

        language_host.main()
    else:
        from posture.local.plugins import consul_provider

        consul_provider.main()
