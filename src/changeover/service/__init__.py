"""The composition root: wires everything, starts control plane, job worker and state. Nobody imports it.

serve           the small parent: starts and restarts the others      (supervisor.py, standard library only)
prepare         starts the state, migrates it, makes the operator     (prepare.py)
control-plane   answers HTTP                                          (control_plane.py)
worker          drives runs, keeps servers alive                      (worker.py)
teardown        stops servers and state                               (teardown.py)
stop, backup, restore                                                 (what a person asks for)
"""
