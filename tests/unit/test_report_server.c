/* Which server acknowledges a report's writes: what a ticket says and what the server answers when asked come on
 * different connections, in any order. The program's client stands on the scripted port here. */
#include "cli/connection.h"
#include "holdfast/test.h"
#include "report/answers.h"
#include "unit.h"

#define OLD    "7/00000001/100.5/50"
#define NEWER  "7/00000002/100.5/50"
#define TICKET "731 "

struct hf_net {
    hf_script script;
    hf_ms now;
    void (*on_wait)(void);
};

static hf_net net;
static hf_config *config;
static hf_job job;
static const char *const column[] = { "concat_ws" };

hf_net *hf_net_open(const hf_config *from, hf_error *error) {
    (void)from, (void)error;
    hf_script_init(&net.script);
    return &net;
}

hf_port *hf_net_port(hf_net *self) {
    return hf_script_port(&self->script);
}

hf_ms hf_net_now(hf_net *self) {
    return self->now;
}

int hf_net_wait(hf_net *self, hf_ms until) {
    if (until > self->now) {
        assert_non_null(self->on_wait); /* else nobody would end the wait */
        self->on_wait();
        self->on_wait = NULL;
    }
    return 0;
}

void hf_net_close(hf_net *self) {
    (void)self;
}

static void tick(void) {
    hf_script_tick(&net.script, job.client.pool, net.now);
}

static void log_in(void) {
    tick();
    hf_script_login(&net.script);
    tick();
}

/* As job.c has it, before each tick. */
static bool turn(void) {
    bool answered = hf_inquiry_turn(&job.inquiry, job.acknowledged);
    if (answered) {
        hf_job_server(&job, &job.inquiry.server, job.inquiry.acknowledged);
    }
    return answered;
}

/* A job whose writes OLD acknowledged, with a client that was reconnected: the next turn asks. */
static void begin(unsigned connections) {
    hf_failure failure;
    config = hf_connection_config();
    config->max_concurrent = (uint16_t)connections;
    config->max_pipelined = 1;
    assert_true(hf_config_dsn(config, "postgres://me@/shop?host=/tmp", NULL));
    job = (hf_job){ .acknowledged = true };
    assert_true(hf_client_open(&job.client, config, &failure));
    assert_true(hf_server_read(OLD, &job.record.server));
    job.inquiry = (hf_inquiry){ .client = &job.client, .sql = "SELECT concat_ws" };
    job.client.reconnects = 1;
}

static void end(void) {
    hf_client_free(&job.client);
}

static void answer(const char *server) {
    hf_script_rows(&net.script, 1, column, 1, &server);
    tick();
}

static void expect(unsigned changes, uint32_t timeline) {
    assert_int_equal(job.summary.changes, changes);
    assert_int_equal(job.record.server.timeline, timeline);
}

/* Shows rule 35. */
static void an_answer_older_than_a_ticket_is_no_change(void **state) {
    (void)state;
    begin(1);
    assert_false(turn());
    log_in();
    hf_answers_acknowledged(&job, TICKET NEWER);
    expect(1, 2);
    answer(OLD);
    assert_false(turn());
    expect(1, 2);
    tick(); /* it is asked once more, of the server that is known now */
    answer(NEWER);
    assert_true(turn());
    expect(1, 2);
    tick();
    assert_null(hf_script_sql(&net.script));
    end();
}

static void a_ticket_that_says_nothing_new_leaves_the_question_as_it_is(void **state) {
    (void)state;
    begin(1);
    assert_false(turn());
    log_in();
    hf_answers_acknowledged(&job, TICKET OLD);
    hf_answers_acknowledged(&job, "");
    answer(NEWER);
    assert_true(turn());
    expect(1, 2);
    end();
}

/* A statement's answer in bytes (ParseComplete, BindComplete, DataRow, CommandComplete, ReadyForQuery), since
 * hf_script_rows() is for the newest link alone. */
static void answer_on(hf_script_link *link, const char *text) {
    const char bytes = (char)strlen(text);
    const char head[] = { '1', 0, 0, 0, 4, '2',  0, 0, 0, 4, 'D', 0, 0, 0, (char)(10 + bytes),
                          0,   1, 0, 0, 0, bytes };
    static const char tail[] = "C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I";
    hf_script_link_reply(link, head, sizeof head);
    hf_script_link_reply(link, text, strlen(text));
    hf_script_link_reply(link, tail, sizeof tail - 1);
}

/* The last question is answered, and the one before it right behind that, on the other connection. */
static void both_answer(void) {
    const char *newer = NEWER;
    answer_on(hf_script_link_at(&net.script, 0), OLD);
    hf_script_rows(&net.script, 1, column, 1, &newer);
}

/* Shows rule 35. */
static void at_the_end_an_answer_to_an_earlier_question_does_not_count(void **state) {
    (void)state;
    char why[HF_MESSAGE_BYTES];
    begin(2);
    hf_pool_open(job.client.pool, 2);
    log_in();
    net.now += config->retry_delay_ms; /* connections are not dialled all at once */
    log_in();
    assert_int_equal(hf_pool_state(job.client.pool, 1), HF_HEALTHY);
    assert_false(turn());
    net.on_wait = both_answer;
    assert_true(hf_inquiry_end(&job.inquiry, net.now + 1000, why, sizeof why));
    assert_int_equal(job.inquiry.request.outcome, HF_OUTCOME_OK);
    assert_int_equal(job.inquiry.server.timeline, 2);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_older_than_a_ticket_is_no_change),
        cmocka_unit_test(a_ticket_that_says_nothing_new_leaves_the_question_as_it_is),
        cmocka_unit_test(at_the_end_an_answer_to_an_earlier_question_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
