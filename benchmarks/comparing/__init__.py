"""What `compare.py` and `scaling.py` are made of; needs the installed package and this folder, no checkout.

options     words of the command line -> Asked, all faults together
contenders  who can take part, how each is called, and what each proves (pure)
data        how large a run to write, and the writing
ground      folders that are ours and gone behind us; nothing else is touched
imitated    a slow mount or a Samba share in place of a real one (only in a checkout)
process     one command on the clock, which is `clock`, a small process of its own
flushing    until written bytes are on the medium, and out of memory
rounds      everybody in turn -> Run
figures     Run -> Row: medians, rates, ratios (pure)
machine     what it was measured on
table, svg, charts, page, growth_page, picture    the same rows for the screen, a browser and a PNG
growth      what grows with the number and with the size of files
stopwatch   short measurements in this process: bench_hash.py, bench_scan.py, bench_copy.py, bench_audit.py
"""
