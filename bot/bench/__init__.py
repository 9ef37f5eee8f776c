"""The benchmark: runs labelled cases through the investigation and scores the answers.

Decides nothing about causes. Only this package reads what a case's truth is, and never in a process that
investigates.
"""
