"""The pack as the engine starts it. Constructing a `PolicyPack` starts a server, so nothing imports this file."""

import gc

gc.disable()  # it lives for one preview, which ends sooner when nobody looks for garbage: a fifth of its time

import sys
from importlib import import_module
from pathlib import Path
from threading import Thread

import pulumi_policy.policy
from pulumi_policy import PolicyPack

from policies.analyzer import Analyzer
from policies.config import load_config
from policies.engine import policies_of
from policies.judging import Pack
from policies.suppressions import load_suppressions
from posture.errors import InputError

HERE = Path(__file__).parent

try:
    pack = Pack(load_config(HERE / "config.json"), load_suppressions(HERE / "suppressions.yaml"))
except InputError as error:
    sys.exit(f"error: {error}")

# The engine starts the program and its plugins next; before the first resource comes, what judges it can be loaded.
Thread(target=import_module, args=("posture.model.settings",), daemon=True).start()

vars(pulumi_policy.policy).update(_PolicyAnalyzerServicer=Analyzer)
PolicyPack("consul-posture", policies_of(pack))
