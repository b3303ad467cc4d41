/* The snapshot of the node program: its memory after the modules of the verbs were loaded (snapshot.c). */

#ifndef NADMIT_SNAPSHOT_H
#define NADMIT_SNAPSHOT_H

/* Prepare the memory of objects, before anything of Python is called. `is_writer`: this process will write a snapshot. */
void snapshot_prepare(int is_writer);

/* Make the pages of Python's variables in one call, for a process that has no snapshot. */
void snapshot_populate(void);

/* Write the memory of this process to the new file `path`. No other thread runs, and no Python code. Return NULL, or the
 * reason why it failed. */
const char *snapshot_write(const char *path);

/* Take over the memory in the file `path`. Return 0 if the file is not there, or is no snapshot of this program; nothing
 * has changed then. Return 1 if the interpreter is ready, as if it had been started and the modules had been loaded.
 * Return -1 if the memory is half changed, so that the process must end. */
int snapshot_resume(const char *path);

#endif
