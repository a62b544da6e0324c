"""Starts a stand-in, as the engine does through a shim: `python -m posture.local.plugins consul ENGINE`."""

import sys

from posture.local.plugins.lifetime import end_with_parent

if __name__ == "__main__":
    stand_in = sys.argv.pop(1)
    end_with_parent()
    if stand_in == "language":
        from posture.local.plugins import language_host

        language_host.main()
    elif stand_in == "consul":
        from posture.local.plugins import consul_provider

        consul_provider.main()
    else:
        from posture.local.plugins import kubernetes_release

        kubernetes_release.main()
