/* banner -- what a start says: at most ten lines for whoever sees this first. */
#ifndef TROUPE_SUPERVISOR_BANNER_H
#define TROUPE_SUPERVISOR_BANNER_H

#include <stdio.h>

struct supervisor;

void banner_print(FILE *out, const struct supervisor *sup);

#endif
