# SPDX-License-Identifier: MIT
"""The ways in which a service says no."""


class DocsearchError(Exception):
    """Base of all that the services raise on purpose."""


class NotFoundError(DocsearchError):
    """The thing asked for does not exist, or not for this user."""


class DuplicateError(DocsearchError):
    """There is such a thing already."""


class PermissionDeniedError(DocsearchError):
    """The user may not do that."""


class RateLimitedError(DocsearchError):
    """The user asked too often."""


class StateError(DocsearchError):
    """The thing is not in a state in which that can be done."""
