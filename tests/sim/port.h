/* The simulated port, and what the network and it tell each other. */
#ifndef SIM_PORT_H
#define SIM_PORT_H

#include "net.h"

void sim_port_reset(void);
/* Does holdfast give up waiting for a server that says nothing? (run.c) */
bool sim_has_timeouts(void);
/* The client's end of a link has an event. */
void sim_port_note(sim_link *link);
/* Does next() have something to say? */
bool sim_port_has_event(void);

sim_link *sim_link_new(void);
/* If both ends have let go, its place is free. */
void sim_link_over(sim_link *link);
void sim_link_put_up(sim_link *link, const void *bytes, size_t n);
void sim_link_end_up(sim_link *link, bool reset);
/* The client takes bytes; what they tell it is noted. */
void sim_link_take_down(sim_link *link, size_t bytes);

/* --- names (dns.c) --- */
void sim_dns_reset(void);
int sim_resolve(hf_port *port, unsigned slot, const char *host, uint16_t number);
int sim_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max);
void sim_resolve_cancel(hf_port *port, unsigned slot);
/* The next look-up that ended, or -1. */
int sim_resolve_event(void);
bool sim_resolve_has_event(void);
/* Every name from now on means the node that is the primary; look-ups under way end. */
void sim_dns_heal(void);
/* Which node has this address; -1 none, -2 nothing there answers. */
int sim_node_at(const hf_address *address);

extern const hf_hash sim_hash;

#endif
