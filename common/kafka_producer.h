/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The producer's inside, shared by its two files: sending (kafka_producer.c) and transactions
 * (kafka_transaction.c). */
#include "kafka_common.h"

// An open transaction holds readers back, so one whose producer died must end soon.
#define TRANSACTION_TIMEOUT_MS 5000
#define TOPIC_HANDLES_MAX      16

struct producer {
    struct producer_opts opts; /* texts are our own copies */
    struct kafka_link link;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int wake_fd;
    rd_kafka_topic_t *topics[TOPIC_HANDLES_MAX];
    size_t n_topics;
    int n_reports;       /* grows with each delivery report */
    bool is_broken;      /* this rk is of no more use; the next send or begin opens another */
    bool is_initialised; /* transactions only: init_transactions has succeeded */
    bool in_transaction;
    char last_error[160]; /* what librdkafka last complained about; "" for nothing */
};

/* (Re)open p->rk; records of the old one are reported as failed. */
bool producer_open(struct producer *p, struct err *err) NODISCARD;
/* init_transactions, unless done. blocks up to its timeout. */
bool producer_init_transactions(struct producer *p, struct err *err) NODISCARD;
