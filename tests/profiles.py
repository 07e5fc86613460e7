"""How many examples Hypothesis tries: few in `make test`, many in `make torture-properties`."""

from hypothesis import settings

# The profiles are registered in conftest.py.
LONG = "torture"


def examples(short: int, *, long: int | None = None, **more: int) -> settings:
    """So many, but in the long profile `long`, or as many as the profile says.

    Args:
        short: For `make test`.
        long: For what takes longer than the rest.
        more: As `settings` takes them.
    """
    if settings.get_current_profile_name() != LONG:
        return settings(max_examples=short, **more)  # type: ignore[arg-type]
    if long is not None:
        return settings(max_examples=long, **more)  # type: ignore[arg-type]
    return settings(**more)  # type: ignore[arg-type]
