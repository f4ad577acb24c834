/* contract_targets -- what workers ask about contracts: the @contract.* targets. */
#ifndef TROUPE_SUPERVISOR_CONTRACT_TARGETS_H
#define TROUPE_SUPERVISOR_CONTRACT_TARGETS_H

struct supervisor;

void contract_targets_add(struct supervisor *sup);

#endif
