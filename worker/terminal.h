/*
 * terminal -- descriptors 0, 1 and 2 of a worker of role terminal, and the tty's mode.
 *
 * Input is read only while somebody waits for it, into one buffer, so that what a line
 * reader has taken too much of is there for the next one. Reads and writes go ahead at
 * once where they can; what can't waits on the loop, in order, and its task blocks. The
 * descriptors stay in blocking mode: the open files are shared with the shell that
 * started us, and O_NONBLOCK would be its problem too.
 *
 * The tty's mode is put back when the actor that changed it ends, and when the worker
 * does. SIGINT and SIGTERM are the supervisor's to act on (TH-3): both are ignored
 * here.
 */
#ifndef TROUPE_WORKER_TERMINAL_H
#define TROUPE_WORKER_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct actor;
struct err;
struct ev_loop;
struct task;
struct terminal;

#define TERMINAL_LINE_MAX_BYTES ((size_t)1 << 20)
#define TERMINAL_READ_MAX_BYTES ((size_t)1 << 20)

/* fds: input, output, errors; borrowed. */
struct terminal *terminal_create(struct ev_loop *loop, const int fds[3]);
void terminal_destroy(struct terminal *terminal); /* NULL is fine; restores the mode */

/* The arguments of the process that runs here: a payload, copied. False: no memory. */
bool terminal_keep_args(struct terminal *terminal, struct bytes payload);
struct bytes terminal_args(const struct terminal *terminal);

/* ---- input ----
 * max_bytes 0 asks for a line without its end, else for what is there, up to that. */

/* Takes from the buffer; false when nothing fits or others wait already. The text lives
 * until the next call. */
bool terminal_take(struct terminal *terminal, size_t max_bytes, struct bytes *text_out);

/* task, about to block, is woken (WAKE_REPLY) with REPLY_OK and the text, or with
 * REPLY_ERROR and a text that says why; no text: the end of input. */
void terminal_wait_input(struct terminal *terminal, struct task *task,
                         size_t max_bytes);

/* ---- output; stream 1 or 2 ---- */

/* Writes what goes without waiting, rest keeps the rest. -1: errno says why. */
int terminal_write(struct terminal *terminal, int stream, struct bytes *rest);

/* The same for who can't block: waits here. */
int terminal_write_all(struct terminal *terminal, int stream, struct bytes rest);

/* task, about to block, is woken when rest (which must stay where it is) is written, as
 * above. */
void terminal_wait_output(struct terminal *terminal, int stream, struct task *task,
                          struct bytes rest);

/* ---- mode ---- */

/* Counted: each on needs its off. -1 (UNAVAILABLE): no tty. */
int terminal_set_raw(struct terminal *terminal, struct actor *actor, bool on,
                     struct err *err);
void terminal_restore(struct terminal *terminal); /* NULL is fine */

#endif
