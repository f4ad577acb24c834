/*
 * policies -- brings the security policies of the registry to every worker.
 *
 * A worker gets all of them behind its SETUP, when there are any, and again after every
 * change of one. What is wrong with a policy is told at load, so that workers can
 * compile whatever they get.
 */
#ifndef TROUPE_SUPERVISOR_POLICIES_H
#define TROUPE_SUPERVISOR_POLICIES_H

struct policy_spread;
struct supervisor;
struct worker;

/* Follows sup's registry. */
struct policy_spread *policy_spread_create(struct supervisor *sup);
void policy_spread_destroy(struct policy_spread *spread); /* NULL is fine */

/* The worker has just been set up. */
void policy_spread_to(struct policy_spread *spread, struct worker *worker);

#endif
