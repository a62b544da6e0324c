"""Stand-ins for the Pulumi plugins that can't be built from a registry: a language host and two providers.

The engine starts a plugin as an executable of a fixed name and talks gRPC with it. `locate` decides which of
them are needed, so an official plugin always wins; the other modules are started by the engine, never imported
by the rest of `posture`. This package imports nothing itself: each plugin's start-up time is felt in every command.
"""
