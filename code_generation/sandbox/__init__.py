"""All that is ever in a process with untrusted code: standard library only, started by path, no package there.

`zygote` is the process that runs are forked from, `walls` and `syscalls` hold them in, `inside` runs a candidate,
`inside_check` a data set's test code without one; `plain_data` is how values cross, `prelude` names that graders
import.
"""
