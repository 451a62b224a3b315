/* The program on the system's sockets. */
#include "net.h"

#include "holdfast/linux.h"

#include <stdlib.h>

struct hf_net {
    hf_linux port;
};

hf_net *hf_net_open(const hf_config *config, hf_error *error) {
    hf_net *net = calloc(1, sizeof *net);
    if (net == NULL) {
        hf_error_set(error, HF_ERR_RESOURCES, HF_PHASE_NONE, NULL);
    } else if (!hf_linux_init(&net->port, config, error)) {
        free(net);
        net = NULL;
    }
    return net;
}

hf_port *hf_net_port(hf_net *net) {
    return hf_linux_port(&net->port);
}

hf_ms hf_net_now(hf_net *net) {
    return hf_linux_now(&net->port);
}

int hf_net_wait(hf_net *net, hf_ms until) {
    return hf_linux_wait(&net->port, until);
}

void hf_net_close(hf_net *net) {
    hf_linux_close(&net->port);
    free(net);
}
