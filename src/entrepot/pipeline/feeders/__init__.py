"""Feeders: what fetches files into gates, from addresses or by scripts, on a schedule.

:mod:`.configuration` holds the verbs on feeders, :mod:`.options` what they are told, :mod:`.feed_run` the run, with
:mod:`.choice` (which files), :mod:`.arrivals` (how they get onto the gate), :mod:`.plan` and :mod:`.reporting` (what is
written down), :mod:`.scripted` (scripts) and :mod:`.sources` (everything else).
"""
