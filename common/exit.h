/* exit -- what our programs tell the shell; a promise to scripts. */
#ifndef TROUPE_COMMON_EXIT_H
#define TROUPE_COMMON_EXIT_H

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,       /* what was asked for failed */
    EXIT_USAGE = 2,        /* the command line makes no sense */
    EXIT_NOT_RUNNING = 3,  /* supctl is-running, status NAME */
    EXIT_NO_SUCH_NAME = 4, /* supctl */
    EXIT_REFUSED = 5,      /* supctl: not allowed */
    EXIT_UNREACHABLE = 6,  /* supctl: no supervisor answers */
    EXIT_NEEDED = 69,      /* a needed thing is missing or taken */
    EXIT_BUG = 70,         /* our own fault */
    EXIT_BAD_CONFIG = 78,  /* registry or settings don't load */
};

#endif
