# SPDX-License-Identifier: MIT
"""Templates, reset and recycling: a slot is exactly what was sealed, whatever was done to it."""
