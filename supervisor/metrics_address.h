/* metrics_address -- where metrics_http listens: `prometheus.address` of the settings.
 */
#ifndef TROUPE_SUPERVISOR_METRICS_ADDRESS_H
#define TROUPE_SUPERVISOR_METRICS_ADDRESS_H

struct err;

#define METRICS_ADDRESS_BYTES 80

/* Listens at 127.0.0.1:9090, [::1]:9090, localhost:0, or :9090 for all addresses, with
 * room for n_waiting connections. Returns a descriptor that does not block. Errors:
 * INVALID (no address of ours), UNAVAILABLE (taken, or not permitted). */
int metrics_address_listen(const char *address, int n_waiting, struct err *err);

/* Where fd listens, for people: with brackets around what has colons. */
void metrics_address_name(int fd, char out[METRICS_ADDRESS_BYTES]);

#endif
