/* SPDX-License-Identifier: Apache-2.0 */
/* One access port for all streams of a worker: streams are told apart, strangers make no state. */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/second_call.h"

#include <errno.h>

#define FLOOD 3000U

static uint64_t drops(struct bench *b)
{
	struct agw_pool_load load;

	agw_pool_load(b->pool, &load);
	return load.rtp_drops;
}

static void await_drops(struct bench *b, uint64_t n)
{
	uint64_t until = wic_now_ms() + WIC_LIMIT_MS;

	while (drops(b) < n && wic_now_ms() < until)
		(void)poll(NULL, 0, 2);
	assert_int_equal(drops(b), n);
}

static void test_two_streams_of_one_port_never_mix(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	_Alignas(8) uint8_t buf[300];
	uint8_t pkt[100];
	const uint8_t payload[] = "the second stream's";
	size_t n = wic_make_rtp(pkt, 8, 77, 9, payload, sizeof(payload));
	struct wic other;
	bool rtcp;
	int len;

	REQ("RTP-01", "ICE-11", "ICE-16");
	connect_first(b);
	add_second(b, &other, &local);
	assert_true(gw_addr_eq(&local.access[AGW_FAMILY_V4], &b->local.access[AGW_FAMILY_V4]));
	assert_string_not_equal(local.ufrag, b->local.ufrag);
	assert_int_equal(wic_check(&other, local.ufrag, local.pwd, true), 0);
	assert_true(wic_handshake(&other, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 2));
	exchange_rtp(b, 5);
	assert_true(agw_udp_send(b->peer.rtp, &local.core_rtp, pkt, n));
	len = wic_recv(&other, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS);
	assert_int_equal(len, n);
	assert_memory_equal(buf, pkt, n);
	exchange_rtp(b, 5);
	wic_close(&other);
	wic_close(&b->wic);
}

static void test_a_released_stream_is_a_stranger_the_other_goes_on(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	struct wic other;
	const uint32_t id = 2;
	uint8_t pkt[100], check[600];
	const uint8_t payload[] = "too late";
	size_t n = wic_make_rtp(pkt, 8, 1, 9, payload, sizeof(payload));
	uint64_t before;

	REQ("ICE-20", "RTP-20");
	connect_first(b);
	add_second(b, &other, &local);
	assert_int_equal(wic_check(&other, local.ufrag, local.pwd, true), 0);
	assert_true(wic_handshake(&other, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 2));
	agw_media_del(second, &id, 1);
	assert_true(await(b, &b->released, 1));
	before = drops(b);
	wic_send_rtp(&other, pkt, n);
	n = wic_make_check(&other, check, sizeof(check), local.ufrag, local.pwd, true);
	assert_true(agw_udp_send(other.fd, NULL, check, n));
	await_drops(b, before + 2);
	exchange_rtp(b, 3);
	/* not even a refusal: our own DTLS alert of the release is all there is */
	while (recv(other.fd, check, sizeof(check), MSG_DONTWAIT) > 0)
		assert_int_equal(check[0], 21);
	assert_int_equal(errno, EAGAIN);
	wic_close(&other);
	wic_close(&b->wic);
}

static void test_a_check_with_a_wrong_key_enters_no_address(void **state)
{
	struct bench *b = *state;
	struct wic other;
	const uint8_t hello[] = {22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
	uint64_t before;

	REQ("ICE-16", "ICE-11");
	connect_first(b);
	wic_open(&other, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	wic_aim(&other, &b->local.access[AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&other, b->local.ufrag, "wrongwrongwrongwrongwrong", true), 401);
	await_drops(b, 1); /* refused, and counted after the answer */
	before = drops(b);
	assert_true(agw_udp_send(other.fd, NULL, hello, sizeof(hello)));
	await_drops(b, before + 1);
	assert_int_equal(b->seen[AGW_EV_PAIR_CHANGED], 0);
	exchange_rtp(b, 3);
	wic_close(&other);
	wic_close(&b->wic);
}

static void test_a_flood_of_strangers_is_dropped_whole_and_hardly_answered(void **state)
{
	struct bench *b = *state;
	struct wic other;
	uint8_t junk[200] = {0x80, 0}, check[600], buf[100];
	size_t n, answers = 0;
	uint64_t began = wic_now_ms();

	REQ("ICE-29", "ICE-16", "ICE-11");
	connect_first(b);
	wic_open(&other, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	wic_aim(&other, &b->local.access[AGW_FAMILY_V4]);
	n = wic_make_check(&other, check, sizeof(check), "unknown8", "wrongwrongwrongwrongwrong",
			   true);
	for (unsigned i = 0; i < FLOOD; i++) {
		assert_true(agw_udp_send(other.fd, NULL, junk, sizeof(junk)));
		assert_true(agw_udp_send(other.fd, NULL, check, n));
		if (i % 500 == 499) {
			exchange_rtp(b, 1); /* loses nothing meanwhile */
			await_drops(b, 2 * (i + 1));
		}
	}
	/* 401 to the first, and to so many in each second that began */
	while (recv(other.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		answers++;
	assert_in_range(answers, 1, 10 * ((wic_now_ms() - began) / 1000 + 2));
	wic_close(&other);
	wic_close(&b->wic);
}

static void test_video_keeps_its_own_marking_on_the_port_of_audio(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	struct wic other;
	int on = 1;
	char control[64];
	uint8_t buf[600];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct pollfd p;
	size_t n;

	REQ("RTP-15");
	agw_stream_params_init(&b->params, 1);
	b->params.access.dscp = 46;
	reserve_with(b);
	b->params.access.dscp = 34;
	add_second(b, &other, &local);
	assert_int_equal(setsockopt(other.fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
	n = wic_make_check(&other, buf, sizeof(buf), local.ufrag, local.pwd, true);
	assert_true(agw_udp_send(other.fd, NULL, buf, n));
	p = (struct pollfd){.fd = other.fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, WIC_LIMIT_MS), 1);
	assert_true(recvmsg(other.fd, &h, 0) > 0);
	/* TOS is the only message asked for, and so the first. */
	assert_true(h.msg_controllen >= CMSG_LEN(1));
	assert_int_equal((uint8_t)control[CMSG_LEN(0)], 34 << 2);
	wic_close(&other);
}

/* No two m-lines of one call name the same address, and so there are own ports behind the shared.
 */
static void test_streams_of_one_call_have_ports_of_their_own(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params more[2];
	struct agw_stream_local local[2];
	uint16_t port[3];

	REQ("BUN-09", "IQ-02");
	reserve(b);
	for (int i = 0; i < 2; i++) {
		more[i] = b->params;
		more[i].id = (uint32_t)i + 2;
	}
	assert_int_equal(agw_media_add(b->media, more, 2, local, NULL, NULL), GW_OK);
	port[0] = gw_addr_port(&b->local.access[AGW_FAMILY_V4]);
	port[1] = gw_addr_port(&local[0].access[AGW_FAMILY_V4]);
	port[2] = gw_addr_port(&local[1].access[AGW_FAMILY_V4]);
	assert_int_not_equal(port[0], port[1]);
	assert_int_not_equal(port[0], port[2]);
	assert_int_not_equal(port[1], port[2]);
}

/* A call whose family the shared port has not leaves it to those that come after. */
static void test_a_refused_stream_leaves_the_shared_port_free(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params p;
	struct agw_stream_local local;
	const char *field = NULL;
	struct wic other;

	REQ("IQ-02", "RTP-21");
	agw_stream_params_init(&p, 1);
	(void)snprintf(p.access.realm, AGW_REALM_NAME_MAX, "access");
	(void)snprintf(p.core.realm, AGW_REALM_NAME_MAX, "core");
	p.access.families = AGW_FAMILY_BIT(AGW_FAMILY_V6);
	assert_int_equal(agw_media_add(b->media, &p, 1, &local, NULL, &field), GW_ERR_UNSUPPORTED);
	assert_string_equal(field, "access.families");
	reserve(b);
	add_second(b, &other, &local);
	assert_true(gw_addr_eq(&local.access[AGW_FAMILY_V4], &b->local.access[AGW_FAMILY_V4]));
	wic_close(&other);
}

static int without_v6(void **state)
{
	v4_only = true;
	return one_worker(state);
}

static int with_v6(void **state)
{
	v4_only = false;
	return teardown(state);
}

static int two_ports(void **state)
{
	shared_ports = 2;
	return one_worker(state);
}

static int one_port(void **state)
{
	shared_ports = 1;
	return teardown(state);
}

/* Media goes by address and port: who were let in at the wrong door would be heard there alone. */
static void test_a_check_at_the_other_shared_port_is_refused(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	struct wic other;

	REQ("ICE-11", "ICE-16");
	connect_first(b);
	add_second(b, &other, &local); /* they take turns */
	assert_false(gw_addr_eq(&local.access[AGW_FAMILY_V4], &b->local.access[AGW_FAMILY_V4]));
	wic_aim(&other, &b->local.access[AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&other, local.ufrag, local.pwd, true), 401);
	await_drops(b, 1);
	assert_int_equal(b->seen[AGW_EV_ICE_CONNECTED], 1);
	wic_aim(&other, &local.access[AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&other, local.ufrag, local.pwd, true), 0);
	assert_true(await(b, &b->seen[AGW_EV_ICE_CONNECTED], 2));
	exchange_rtp(b, 3);
	wic_close(&other);
	wic_close(&b->wic);
}

#define T(f) cmocka_unit_test_setup_teardown(f, one_worker, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_two_streams_of_one_port_never_mix),
	    T(test_a_released_stream_is_a_stranger_the_other_goes_on),
	    T(test_a_check_with_a_wrong_key_enters_no_address),
	    T(test_a_flood_of_strangers_is_dropped_whole_and_hardly_answered),
	    T(test_video_keeps_its_own_marking_on_the_port_of_audio),
	    T(test_streams_of_one_call_have_ports_of_their_own),
	    cmocka_unit_test_setup_teardown(test_a_refused_stream_leaves_the_shared_port_free,
					    without_v6, with_v6),
	    cmocka_unit_test_setup_teardown(test_a_check_at_the_other_shared_port_is_refused,
					    two_ports, one_port),
	};

	shared_ports = 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
