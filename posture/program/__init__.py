"""The Pulumi program's parts: its configuration, one component a file, the target they are put together for.

Imports nothing itself: the command line runs the engine (`engine`) without the seconds that Pulumi's SDK takes to load.
"""
