"""The commands of `posture`, a file for each group; `posture.cli` registers them."""
