/* SPDX-License-Identifier: MIT */
/* Running CMD and waiting for it: signals, job control, and an eye on the daemon. */
#include "client/cli/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/complain.h"
#include "client/cli/run/progress.h"
#include "client/cli/run/witness.h"
#include "client/cli/tap.h"

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127, SIGNALLED = 128 };
enum { COME_BACK_US = 250000, COME_BACK_MS = 10000 };

static const int passed_on[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH };
static const int stopping[] = { SIGHUP, SIGINT, SIGTERM };
/* What somebody else ends a program with, while it did nothing wrong. */
static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGKILL };

/* As we found them, for every CMD: the first leaves signals blocked behind it. */
static struct {
	bool known;
	sigset_t mask;
	bool ignores_sigchld;
} found;

struct holder {
	struct holding *holding; /* borrowed */
	sigset_t passed;
	int signals; /* signalfd */
	struct witness witness;
	pid_t pid;
	int status; /* of wait(), once over */
	bool over;
	bool told; /* to end, by one of `ending` */
};

/* Those of the signals that our caller has not ignored: nohup(1) is to stay nohup. */
static sigset_t
not_ignored(const int *signals, size_t count)
{
	struct sigaction now;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < count; i++)
		if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	return set;
}

static void
take_signals(struct holder *h)
{
	struct sigaction old;
	sigset_t blocked, mask;

	h->passed = not_ignored(passed_on, sizeof passed_on / sizeof *passed_on);
	blocked = h->passed;
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &mask);
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, &old);
	if (!found.known) {
		found.mask = mask;
		found.ignores_sigchld = old.sa_handler == SIG_IGN;
		found.known = true;
	}
	h->signals = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void __attribute__((noreturn)) become(const struct holder *h, char **command, pid_t parent)
{
	int error;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(NOT_EXECUTABLE); /* it died before we asked */
	if (found.ignores_sigchld)
		signal(SIGCHLD, SIG_IGN);
	if (h->holding->tap)
		tap_become(h->holding->tap);
	if (h->holding->keeps_connection)
		fcntl(berth_fd(h->holding->client), F_SETFD, 0);
	sigprocmask(SIG_SETMASK, &found.mask, NULL);
	execvp(command[0], command);
	error = errno;
	notice("%s: %s", command[0], strerror(error));
	_exit(error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

/*
 * CMD stopped itself, as an editor does on ^Z. The shell waits for us, so we stop too. When it lets
 * us go on, so may CMD. (A ^Z of the terminal stops both of us without any of this.)
 */
static void
stop_along(const struct holder *h, int sig)
{
	if (sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
		return;
	kill(getpid(), SIGSTOP);
	kill(h->pid, SIGCONT);
}

static void
reap(struct holder *h)
{
	int status;

	while (!h->over && waitpid(h->pid, &status, WNOHANG | WUNTRACED) == h->pid) {
		if (WIFSTOPPED(status)) {
			stop_along(h, WSTOPSIG(status));
			continue;
		}
		h->status = status;
		h->over = true;
	}
}

static bool
is_ending(int sig)
{
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		if (ending[i] == sig)
			return true;
	return false;
}

static void
on_signals(struct holder *h)
{
	struct signalfd_siginfo info;

	while (read(h->signals, &info, sizeof info) == sizeof info) {
		int sig = (int)info.ssi_signo;

		h->told |= is_ending(sig);
		if (sig == SIGCHLD)
			reap(h);
		else if (!h->over && !witness_saw(&h->witness, sig, now_us()))
			kill(h->pid, sig);
	}
}

/* Waits for signals, for the daemon (until it is gone) and for something else; so many ms at most, or
 * -1. */
static void
wait_for(struct pollfd fds[3], int signals, int daemon, struct pollfd other, int ms)
{
	fds[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = daemon, .events = POLLIN };
	fds[2] = other;
	if (poll(fds, 3, ms) < 0)
		memset(fds, 0, 3 * sizeof *fds);
}

/* Looks for a daemon that went away: returns the descriptor of a new connection, -1 for none. */
static int
look_for_daemon(struct holding *holding, int64_t *next)
{
	if (now_us() < *next)
		return -1;
	*next = holding->come_back(holding) ? now_us() + COME_BACK_US : 0;
	return *next || !holding->come_back ? -1 : berth_fd(holding->client);
}

static void
wait_for_end(struct holder *h)
{
	struct holding *holding = h->holding;
	struct tap *tap = holding->tap;
	int daemon = berth_fd(holding->client);
	struct pollfd fds[3];
	int64_t next = 0; /* when to look for the daemon; 0: never */

	while (!h->over) {
		wait_for(fds, h->signals, daemon,
		         tap ? tap_wants(tap) : (struct pollfd){ .fd = -1 },
		         next ? COME_BACK_US / 1000 : -1);
		if (fds[0].revents)
			on_signals(h);
		if (fds[2].revents)
			tap_pump(tap);
		if (fds[1].revents && !h->over) {
			notice("UNAVAILABLE the daemon at %s went away; %s",
			       berth_path(holding->client), holding->at_stake);
			daemon = -1;
			next = holding->come_back ? now_us() : 0;
		}
		if (next && !h->over)
			daemon = look_for_daemon(holding, &next);
	}
}

static int
exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status);
}

/* A shell's 128 + n counts as its command's end by signal n. */
static bool
was_interrupted(const struct holder *h)
{
	int status = exit_status(h->status);

	return status != 0 && (h->told || is_ending(status - SIGNALLED));
}

static void
start(struct holder *h, char **command)
{
	pid_t parent = getpid();

	h->pid = fork();
	if (h->pid == 0)
		become(h, command, parent);
	if (h->pid < 0) {
		notice("%s: %s", command[0], strerror(errno));
		h->status = NOT_EXECUTABLE << 8;
		h->over = true;
	}
}

int
holder_run_as(int argc, char **command, struct holding *holding)
{
	struct holder h = { .holding = holding, .witness = { .pid = -1, .reports = -1 } };

	take_signals(&h);
	witness_start(&h.witness, &h.passed, argc, command);
	if (holding->tap)
		tap_open(holding->tap); /* not before: the witness is to have none of it */
	start(&h, command);
	if (holding->tap)
		tap_started(holding->tap);
	wait_for_end(&h);
	if (holding->tap)
		tap_close(holding->tap);
	witness_stop(&h.witness);
	close(h.signals);
	holding->interrupted = was_interrupted(&h);
	return exit_status(h.status);
}

void
holder_be_mortal(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		sigaddset(&set, ending[i]);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool
is_away(const struct berth_error *e)
{
	return e->code == BERTH_UNAVAILABLE || e->code == BERTH_TIMEOUT;
}

/* A daemon that was restarted goes on with its leases. */
static bool
come_back(struct holding *holding)
{
	struct berth_error e;

	if (berth_reattach(holding->arg, 0, &e) == 0) {
		notice("the daemon is there again, and so is the lease");
		return false;
	}
	if (is_away(&e))
		return true;
	complain(NULL, &e);
	holding->come_back = NULL;
	return false;
}

int
holder_run(int argc, char **command, struct berth_client *client)
{
	struct holding holding = {
		.client = client,
		.at_stake = "the lease waits for it to come back",
		.come_back = come_back,
		.arg = client,
	};

	return holder_run_as(argc, command, &holding);
}

/* Whether there is more to come; what is there is thrown away. */
static bool
drain(int input)
{
	char buf[4096];
	ssize_t n = read(input, buf, sizeof buf);

	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

int
holder_wait(struct berth_client *client)
{
	sigset_t set = not_ignored(stopping, sizeof stopping / sizeof *stopping);
	struct pollfd fds[3] = { 0 };
	struct berth_error e;
	int signals;

	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	do {
		wait_for(fds, signals, berth_fd(client),
		         (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN }, -1);
		if (fds[1].revents && berth_reattach(client, COME_BACK_MS, &e) < 0) {
			int status = complain(NULL, &e);

			return is_away(&e) ? EXIT_UNREACHABLE : status;
		}
	} while (!fds[0].revents && (!fds[2].revents || drain(STDIN_FILENO)));
	return 0;
}
