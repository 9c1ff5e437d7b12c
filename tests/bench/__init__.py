"""Benchmarks: consoled-procserv beside procServ and conserver, in alternating runs.

Run from the root of the repository: ``python -m tests.bench --help``. The workloads W1 to W6
and their goals are those of the performance reference. Rules of the house:

* Time never fails a run; only wrong bytes do (exit status 1).
* Every wait has a limit, and a peer that exceeds it is shown as ``stuck``.
* Servers are measured from outside only: sockets, log files and ``/proc``.

``children`` is what runs on the ptys, ``peers`` are the servers, ``clients`` are the users,
``workloads`` bring them together, ``runner`` repeats them and ``report`` prints.
"""
