"""The recipe of the compact model; needs the extra ``train`` (torch).

``python -m emotrace.training --help`` runs its steps one by one.
"""
