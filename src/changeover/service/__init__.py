"""Wires all parts and starts control plane, job worker and state. No other package imports it.

serve           the small parent: starts and restarts the others      (supervisor.py, standard library only)
prepare         starts the state, migrates it, makes the operator     (prepare.py)
prepare         starts and migrates the state, creates the operator   (prepare.py)
worker          drives runs, keeps servers alive                      (worker.py)
teardown        stops servers and state                               (teardown.py)
stop, backup, restore                                                 (commands)
"""
