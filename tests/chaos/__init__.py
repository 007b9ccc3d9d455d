# SPDX-License-Identifier: MIT
"""Runners, workers and servers are killed and frozen at random; who ever saw whose, and what is left?"""
