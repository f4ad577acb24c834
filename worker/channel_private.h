/* channel_private -- what channel.c and channel_select.c share. */
#ifndef TROUPE_WORKER_CHANNEL_PRIVATE_H
#define TROUPE_WORKER_CHANNEL_PRIVATE_H

#include "worker/channel.h"

/* The task waits in that queue of the channel; case_index: counted from 1, of its
 * select, 0 = a plain send or receive. waiter is the task's own. */
void channel_wait(struct list *queue, struct waiter *waiter, struct task *task,
                  struct channel *channel, int case_index);

/* Pushes a value when there is one; the channel is at idx. */
bool channel_try_receive(lua_State *L, int idx, struct channel *channel);

/* The task runs again: leaves the received value on top of L; false = closed. */
bool channel_received(lua_State *L, struct task *task, struct channel *channel);

/* Sends the value on top of L (popped) if that needs no waiting, which it never does on
 * a queue; channel at idx. */
bool channel_try_send(lua_State *L, int idx, struct channel *channel);

/* ---- channel_select.c ------------------------------------------------------------ */

/* channel.select{case, ..., default = true}, ch:case_send(value), ch:case_receive() */
int channel_select(lua_State *L);
int channel_case_send(lua_State *L);
int channel_case_receive(lua_State *L);

/* Makes the metatable of cases. */
void channel_define_cases(lua_State *L);

#endif
