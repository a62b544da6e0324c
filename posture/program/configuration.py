"""The stack's configuration as the engine hands it to the program."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, get_origin

import pulumi
from pulumi.runtime.config import is_config_secret

from posture.errors import InputError
from posture.model.settings import GATEWAY_KEY, KEY_IN_PLAIN_TEXT, SEALED, Settings, not_secret, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["gateway_key", "read_configuration", "run_errors_in_one_line"]


def read_configuration() -> Settings:
    """Read the settings of the stack that the engine runs; the gateway's key is left to `gateway_key`.

    Raises:
        InputError: A value that can't be.
    """
    config = pulumi.Config()
    values = {}
    for name, field in Settings.model_fields.items():
        key = field.alias or name
        is_map = get_origin(field.annotation) is dict
        values[key] = config.get_object(key) if is_map else config.get(key)
        if key != GATEWAY_KEY and is_config_secret(config.full_key(key)):
            raise InputError(not_secret(key))
    if values[GATEWAY_KEY]:
        if not is_config_secret(config.full_key(GATEWAY_KEY)):
            raise InputError(KEY_IN_PLAIN_TEXT)
        values[GATEWAY_KEY] = SEALED
    return settings_from(pulumi.get_stack(), {key: value for key, value in values.items() if value is not None})


def gateway_key() -> pulumi.Output[str]:
    """The private key of the gateway's certificate, a secret."""
    return pulumi.Config().require_secret(GATEWAY_KEY)


@contextmanager
def run_errors_in_one_line() -> Iterator[None]:
    """Show bad input as its one line; the language host prints a `RunError` without a traceback."""
    try:
        yield
    except InputError as error:
        raise pulumi.RunError(str(error)) from None
