# SPDX-License-Identifier: MIT
"""What the application can do; each function works in the session it is given."""
