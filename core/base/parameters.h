/* What a server says of itself and of the session's settings without being asked (PostgreSQL docs 55.2.7,
 * ParameterStatus), as a list of bounded size that belongs to the pool: hf_parameters, layout.h.
 *
 * A login begins the list anew, but so that it is never empty meanwhile: what was there counts as old until it is said
 * again, and what is old still when the login is over goes. What has no room is left out, whole. Linked only with
 * HF_WITH_VALUES.
 */
#ifndef HF_PARAMETERS_H
#define HF_PARAMETERS_H

#include "holdfast/layout.h"

#if HF_WITH_VALUES
/* A login has begun: all that is known is old. */
void hf_parameters_begin(hf_parameters *list);
/* The server has said that the parameter has this value. */
void hf_parameters_note(hf_parameters *list, const char *name, const char *value);
/* The login is over: what is old goes. */
void hf_parameters_end(hf_parameters *list);
/* The value, valid until the list changes; NULL: not known. */
const char *hf_parameters_get(const hf_parameters *list, const char *name);
#endif

/* A connection's login has begun, or is over, where its pool keeps the list. */
static inline void hf_parameters_login(hf_io *io, bool over) {
#if HF_WITH_VALUES
    if (io->parameters && over) {
        hf_parameters_end(io->parameters);
    } else if (io->parameters) {
        hf_parameters_begin(io->parameters);
    }
#else
    (void)io, (void)over;
#endif
}

#endif
