/* SPDX-License-Identifier: BSD-3-Clause */
/* RPC: the socket's file, and who may use it. */
#define _GNU_SOURCE
#include "tests/unit/rpc_rig.h"

#define NOBODY 65534

/* --- the socket ------------------------------------------------------------------------------------ */

static void makes_the_socket_for_its_group_alone(void **state)
{
	struct fixture *f = *state;
	struct group *group = getgrnam("daemon");
	char directory[96];
	struct stat st;

	assert_non_null(group);
	f->options.group = geteuid() == 0 ? "daemon" : "";
	umask(0);
	start(f);
	assert_int_equal(umask(022), 0); /* as it was */
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_gid, geteuid() == 0 ? group->gr_gid : getegid());
	snprintf(directory, sizeof(directory), "%s/run", f->directory);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static int try_open(struct fixture *f, const char *group, const char *word)
{
	struct rpc_options options = f->options;
	struct rpc_handler handler = {f, on_call, on_commit, on_gone, on_note};
	struct rpc_server *server = NULL;
	char error[RPC_ERROR_MAX] = "";
	int r;

	options.group = group;
	r = rpc_open(&f->loop, &options, &handler, &server, error);
	assert_null(server);
	if (strstr(error, word) == NULL)
		fail_msg("'%s' lacks '%s'", error, word);
	return r;
}

static void refuses_a_living_socket_and_replaces_a_dead_one(void **state)
{
	struct fixture *f = *state;
	char error[RPC_SOCKET_ERROR_MAX];
	gid_t gid;
	int fd, dead;

	assert_int_equal(rpc_socket_open(f->path, "", &dead, &gid, error), 0);
	assert_int_equal(listen(dead, 1), 0);
	assert_int_equal(try_open(f, "", "another sluiced"), -EADDRINUSE);
	close(dead); /* as a killed process does: the file stays */
	start(f);
	fd = dial(f);
	expect_unhurt(f, fd);
	assert_int_equal(try_open(f, "", f->path), -EADDRINUSE);
	expect_unhurt(f, fd);
	close(fd);
}

static void leaves_alone_what_is_no_socket(void **state)
{
	struct fixture *f = *state;
	char directory[96];
	struct stat st;
	int fd;

	snprintf(directory, sizeof(directory), "%s/run", f->directory);
	assert_int_equal(mkdir(directory, 0755), 0);
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(try_open(f, "", "no socket"), -EEXIST);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 1);
	close(fd);
	unlink(f->path);
	assert_int_equal(try_open(f, "no-such-group", "no group 'no-such-group'"), -ENOENT);
}

struct peer {
	gid_t gid;
	gid_t supplementary;
	bool allowed;
};

/* Connect as another user; the mode of the file is out of the way, as that of a copy might be. */
static void connect_as(const char *path, const struct peer *peer)
{
	pid_t pid;
	int status;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(1, &peer->supplementary) < 0 || setgid(peer->gid) < 0 ||
		    setuid(NOBODY) < 0)
			_exit(1);
		_exit(connect_to(path) < 0 ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void knows_the_members_of_its_group(void **state)
{
	static const struct peer peers[] = {
		{NOBODY, NOBODY, false}, {1, NOBODY, true}, {NOBODY, 1, true},
		{2, 3, false},		 {0, 0, false}, /* root's group is not the group */
	};
	struct fixture *f = *state;
	char error[RPC_SOCKET_ERROR_MAX];
	int listener, fd;
	gid_t gid;
	uid_t uid;
	size_t i;

	if (geteuid() != 0) {
		print_message("only root can be other users\n");
		skip();
	}
	assert_int_equal(rpc_socket_open(f->path, "", &listener, &gid, error), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(gid, RPC_SOCKET_NO_GROUP);
	assert_int_equal(chmod(f->path, 0666), 0);
	for (i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		connect_as(f->path, &peers[i]);
		fd = accept(listener, NULL, NULL);
		assert_true(fd >= 0);
		assert_int_equal(rpc_socket_allows(fd, 1, &uid), peers[i].allowed);
		assert_int_equal(uid, NOBODY);
		assert_false(rpc_socket_allows(fd, RPC_SOCKET_NO_GROUP, &uid));
		close(fd);
	}
	fd = connect_to(f->path);
	close(fd);
	fd = accept(listener, NULL, NULL);
	assert_true(rpc_socket_allows(fd, 1, &uid));
	assert_int_equal(uid, 0);
	close(fd);
	close(listener);
	unlink(f->path);
}

static void closes_on_strangers(void **state)
{
	static const struct peer stranger = {NOBODY, NOBODY, false};
	struct fixture *f = *state;

	if (geteuid() != 0) {
		print_message("only root can be other users\n");
		skip();
	}
	f->options.group = "daemon";
	start(f);
	assert_int_equal(chmod(f->path, 0666), 0);
	connect_as(f->path, &stranger);
	until(f, f->notes == 1);
	assert_int_equal(rpc_clients(f->server), 0);
	assert_int_equal(f->gone, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(makes_the_socket_for_its_group_alone),
		TEST(refuses_a_living_socket_and_replaces_a_dead_one),
		TEST(leaves_alone_what_is_no_socket),
		TEST(knows_the_members_of_its_group),
		TEST(closes_on_strangers),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
