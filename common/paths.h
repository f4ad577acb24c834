/*
 * paths -- where state and control sockets are by default; supervisor and supctl agree.
 *
 *             root                      others
 *   state     /var/lib/troupe/<app>     $XDG_STATE_HOME/troupe/<app>
 *                                       (~/.local/state/troupe/<app>)
 *   control   /run/troupe/<app>.sock    $XDG_RUNTIME_DIR/troupe/<app>.sock
 *                                       (/tmp/troupe-<uid>/<app>.sock)
 */
#ifndef TROUPE_COMMON_PATHS_H
#define TROUPE_COMMON_PATHS_H

/* All return owned text. */
char *paths_state_dir(const char *app);
char *paths_control_dir(void);
char *paths_control_socket(const char *app);

/* A folder's name as an app name: what a file name shouldn't hold becomes '_'. */
char *paths_app_name(const char *folder);

#endif
