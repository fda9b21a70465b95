"""The supervisor: against children that a test plays on a mock clock, and against real ones."""

import json
import os
import signal
import sys
from functools import partial
from itertools import count

import pytest
import trio
from structlog.testing import capture_logs

from portal.amp.commands import Operation
from portal.config import ServerConfig
from portal.errors import ServerUnavailable
from portal.holding import Reason
from portal.lifecycle import State
from portal.metrics import Metrics
from portal.supervisor import LAUNCHER_SECONDS, Supervisor

COMMAND = ("game", "--fast")


class Child:
    """A process that does what the test says."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None
        self.obeys = {signal.SIGTERM, signal.SIGKILL}
        self._exited = trio.Event()

    async def wait(self):
        await self._exited.wait()
        return self.returncode

    def exit(self, code=0):
        self.returncode = code
        self._exited.set()


class Machine:
    """Starts children in place of the operating system, and takes note of what is done to them."""

    def __init__(self):
        self.children = []
        self.started = []  # (time, command, options)
        self.signals = []  # (time, pid, signal)
        self.failure = None
        self.gate = None
        self.pids = count(100)

    async def open_process(self, command, **options):
        await trio.lowlevel.checkpoint()
        self.started.append((trio.current_time(), command, options))
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.children.append(Child(next(self.pids)))
        return self.children[-1]

    def killpg(self, pid, number):
        self.signals.append((trio.current_time(), pid, number))
        child = next(each for each in self.children if each.pid == pid)
        if number in child.obeys:
            child.exit(-number)


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    monkeypatch.setattr(trio.lowlevel, "open_process", made.open_process)
    monkeypatch.setattr(os, "killpg", made.killpg)
    return made


@pytest.fixture
def make(nursery):
    """Make supervisors that run.

    `orders` are what they sent, `stops` how often they asked, `reasons` what players are told, and
    `closes` when they closed a link, which `obeys_close` makes happen.
    """

    async def make(environment=None, **settings):
        config = ServerConfig(**{"command": COMMAND} | settings)
        supervisor = Supervisor(config, Metrics(), environment=environment or {"A": "B"})
        supervisor.orders = []
        supervisor.stops = []
        supervisor.closes = []
        supervisor.obeys_close = True
        supervisor.reasons = []
        supervisor.on_absence = supervisor.reasons.append
        supervisor.on_order = supervisor.orders.append
        supervisor.on_stop = partial(supervisor.stops.append, True)

        def close():
            supervisor.closes.append(trio.current_time())
            if supervisor.obeys_close:
                supervisor.link_lost()

        supervisor.on_close = close
        await nursery.start(supervisor.run)
        await trio.testing.wait_all_tasks_blocked()
        return supervisor

    return make


@pytest.fixture
def running(make, machine):
    """Make one whose Server is connected; its child is the machine's last."""

    async def running(**settings):
        supervisor = await make(**settings)
        supervisor.server_connected(machine.children[-1].pid if machine.children else 77)
        assert supervisor.state is State.CONNECTED
        return supervisor

    return running


settled = trio.testing.wait_all_tasks_blocked


async def until(supervisor, state):
    while supervisor.state is not state:
        await supervisor.changed.wait()


# ---- starting


async def test_a_start(make, machine, autojump_clock):
    supervisor = await make(directory="/game")
    ((_, command, options),) = machine.started
    assert command == list(COMMAND)
    assert options["env"] == {"A": "B"}
    assert options["cwd"] == "/game"
    assert options["start_new_session"] is True
    assert supervisor.state is State.STARTING
    assert supervisor.server_pid == 100
    assert supervisor.restart_mode == "shutdown"
    supervisor.server_connected(4242)
    await supervisor.connected()
    assert supervisor.server_pid == 4242
    assert supervisor.child_pid == 100
    assert supervisor.restart_mode is None
    metrics = supervisor.metrics
    assert (metrics.server_starts, metrics.server_connections) == (1, 1)
    await trio.sleep(1000)  # no deadline is left
    assert supervisor.state is State.CONNECTED
    assert machine.signals == []


async def test_somebody_waits_for_it(make, machine, autojump_clock):
    supervisor = await make()
    async with trio.open_nursery() as waiting:
        waiting.start_soon(supervisor.connected)
        await settled()
        assert waiting.child_tasks
        supervisor.server_connected(100)


async def test_a_server_that_gives_no_pid(make, machine, autojump_clock):
    supervisor = await make()
    supervisor.server_connected(None)
    assert supervisor.server_pid == 100


async def test_without_a_command_nothing_is_started(make, machine, autojump_clock):
    supervisor = await make(command=())
    assert supervisor.state is State.DOWN
    assert supervisor.server_pid is None
    supervisor.start()
    assert supervisor.state is State.DOWN
    assert machine.started == []
    assert supervisor.reasons == [], "nothing is starting"


async def test_orders_before_it_runs_are_refused():
    supervisor = Supervisor(ServerConfig(command=COMMAND), Metrics(), environment={})
    with pytest.raises(ServerUnavailable):
        supervisor.start()
    supervisor.on_order("x")
    supervisor.on_stop()
    supervisor.on_close()
    supervisor.on_absence(Reason.GIVEN_UP)


async def test_start_is_no_second_start(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.start()
    await supervisor.connected()
    assert len(machine.started) == 1


# ---- crashes


async def test_a_crash_is_followed_by_a_restart_after_a_second(running, machine, autojump_clock):
    supervisor = await running()
    crashed = trio.current_time()
    supervisor.link_lost()
    machine.children[-1].exit(-9)
    await settled()
    assert supervisor.state is State.STARTING
    assert supervisor.server_pid is None
    await trio.sleep(0.9)
    assert len(machine.started) == 1
    await trio.sleep(0.2)
    assert machine.started[1][0] == pytest.approx(crashed + 1)
    assert supervisor.restart_mode is None
    assert supervisor.metrics.server_losses == 1


@pytest.mark.parametrize("first", ["link", "process"])
async def test_process_and_link_end_in_either_order(running, machine, autojump_clock, first):
    supervisor = await running()
    for end in (("link", "process"), ("process", "link"))[first == "process"]:
        assert len(machine.started) == 1
        if end == "link":
            supervisor.link_lost()
        else:
            machine.children[-1].exit(1)
        await settled()
    await trio.sleep(2)
    assert len(machine.started) == 2


async def test_ten_crashes_in_a_row_are_mended(running, machine, autojump_clock):
    supervisor = await running()
    for _ in range(10):
        machine.children[-1].exit(-9)
        await settled()
        supervisor.link_lost()
        await trio.sleep(1.5)
        supervisor.server_connected(machine.children[-1].pid)
    assert supervisor.state is State.CONNECTED
    assert len(machine.started) == 11


async def test_five_failed_starts_and_it_gives_up_loudly(make, machine, autojump_clock):
    with capture_logs() as lines:
        supervisor = await make()
        for _ in range(5):
            machine.children[-1].exit(1)
            await trio.sleep(20)
    times = [time for time, _, _ in machine.started]
    assert len(times) == 5
    assert supervisor.state is State.DOWN
    assert [line["event"] for line in lines if line["log_level"] == "critical"] == [
        "server_given_up"
    ]
    assert supervisor.reasons == [Reason.STARTING, Reason.GIVEN_UP]
    supervisor.start()
    await settled()
    assert len(machine.started) == 6
    assert supervisor.reasons == [Reason.STARTING, Reason.GIVEN_UP, Reason.STARTING]


async def test_a_command_that_is_not_there_is_a_failed_start(make, machine, autojump_clock):
    machine.failure = FileNotFoundError("no such file")
    with capture_logs() as lines:
        supervisor = await make()
        await until(supervisor, State.DOWN)
    times = [time - machine.started[0][0] for time, _, _ in machine.started]
    assert times == pytest.approx([0, 1, 3, 7, 15])
    assert [line["event"] for line in lines].count("server_not_started") == 5
    with pytest.raises(ServerUnavailable, match="none is being started"):
        await supervisor.reload()
    assert len(machine.started) == 10


async def test_a_server_that_never_connects_is_ended(make, machine, autojump_clock):
    supervisor = await make(failed_starts=1, connect_seconds=5, stop_seconds=2)
    machine.children[-1].obeys = {signal.SIGKILL}
    await until(supervisor, State.DOWN)
    began = machine.started[0][0]
    assert [(time - began, number) for time, _, number in machine.signals] == [
        (pytest.approx(5), signal.SIGTERM),
        (pytest.approx(7), signal.SIGKILL),
    ]


async def test_a_link_that_drops_may_come_back(running, machine, autojump_clock):
    supervisor = await running(connect_seconds=5)
    supervisor.link_lost()
    assert supervisor.state is State.STARTING
    supervisor.link_lost()  # nothing is linked any more
    await trio.sleep(4)
    supervisor.server_connected(100)
    await trio.sleep(10)
    assert supervisor.state is State.CONNECTED
    assert (machine.started[1:], machine.signals) == ([], [])


async def test_a_link_that_does_not_come_back_ends_the_process(running, machine, autojump_clock):
    supervisor = await running(connect_seconds=5)
    supervisor.link_lost()
    await trio.sleep(5.5)
    assert [number for _, _, number in machine.signals] == [signal.SIGTERM]
    await trio.sleep(1.1)
    assert len(machine.started) == 2


# ---- Servers that need no restart


async def test_a_server_that_left_by_itself_is_not_started_again(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.server_synced_out()
    await trio.sleep(1)
    supervisor.link_lost()
    machine.children[-1].exit(0)
    await trio.sleep(1000)
    assert supervisor.state is State.DOWN
    assert len(machine.started) == 1


async def test_a_full_sync_of_long_ago_is_no_goodbye(running, machine, autojump_clock):
    supervisor = await running(stop_seconds=10)
    supervisor.server_synced_out()
    await trio.sleep(11)
    supervisor.link_lost()
    machine.children[-1].exit(-9)
    await trio.sleep(2)
    assert len(machine.started) == 2


async def test_the_sync_of_a_predecessor_is_no_goodbye(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.order(Operation.SRELOAD)
    supervisor.server_synced_out()
    supervisor.link_lost()
    machine.children[-1].exit(0)
    await settled()
    supervisor.server_connected(101)
    machine.children[-1].exit(-9)
    await settled()
    supervisor.link_lost()
    await trio.sleep(2)
    assert len(machine.started) == 3


async def test_one_that_dialled_in_by_itself_is_left_alone(make, machine, autojump_clock):
    supervisor = await make(command=())
    supervisor.server_connected(4242)
    assert (supervisor.state, supervisor.server_pid) == (State.CONNECTED, 4242)
    supervisor.link_lost()
    await trio.sleep(1000)
    assert supervisor.state is State.DOWN
    assert machine.started == []


async def test_another_takes_over_while_ours_is_waited_for(make, machine, autojump_clock):
    supervisor = await make(failed_starts=9)
    machine.children[-1].exit(1)
    await settled()
    supervisor.server_connected(4242)
    await trio.sleep(100)
    assert len(machine.started) == 1
    supervisor.link_lost()
    await trio.sleep(100)
    assert supervisor.state is State.DOWN
    assert len(machine.started) == 1


# ---- reload and reset


@pytest.mark.parametrize(
    ("name", "operation", "state"),
    [
        ("reload", Operation.SRELOAD, State.RELOADING),
        ("reset", Operation.SRESET, State.RESETTING),
    ],
)
async def test_a_reload(running, machine, autojump_clock, nursery, name, operation, state):
    supervisor = await running()
    done = trio.Event()

    async def reload():
        await getattr(supervisor, name)()
        done.set()

    nursery.start_soon(reload)
    await settled()
    assert supervisor.orders == [operation]
    assert (supervisor.state, supervisor.restart_mode) == (state, name)
    supervisor.start()
    supervisor.order(operation)  # a second one changes nothing
    assert supervisor.orders == [operation]
    supervisor.server_synced_out()
    supervisor.link_lost()
    await settled()
    assert len(machine.started) == 1  # the old process is still there
    machine.children[0].exit(0)
    await settled()
    assert len(machine.started) == 2
    assert (supervisor.state, supervisor.restart_mode) == (State.STARTING, name)
    assert not done.is_set()
    supervisor.server_connected(101)
    await settled()
    assert done.is_set()
    assert supervisor.restart_mode is None
    assert supervisor.metrics.server_reloads == 1
    assert supervisor.metrics.server_losses == 0


async def test_a_server_that_does_not_leave_is_ended(running, machine, autojump_clock):
    supervisor = await running(stop_seconds=3)
    machine.children[0].obeys = {signal.SIGKILL}
    began = trio.current_time()
    supervisor.order(Operation.SRELOAD)
    await trio.sleep(6.5)
    assert [(time - began, number) for time, _, number in machine.signals] == [
        (pytest.approx(3), signal.SIGTERM),
        (pytest.approx(6), signal.SIGKILL),
    ]
    supervisor.link_lost()
    await settled()
    assert len(machine.started) == 2


async def test_one_that_obeyed_is_not_killed(running, machine, autojump_clock):
    supervisor = await running(stop_seconds=3)
    supervisor.obeys_close = False
    supervisor.order(Operation.SRELOAD)
    await trio.sleep(10)  # its process has ended; the news of its link are late
    assert [number for _, _, number in machine.signals] == [signal.SIGTERM]
    assert supervisor.state is State.RELOADING
    supervisor.link_lost()
    await settled()
    assert len(machine.started) == 2


@pytest.mark.parametrize("operation", [Operation.SRELOAD, Operation.SRESET, Operation.SSHUTD])
async def test_a_stranger_that_does_not_leave_is_cut_off(make, machine, autojump_clock, operation):
    supervisor = await make(command=(), stop_seconds=3)
    supervisor.server_connected(4242)
    began = trio.current_time()
    with capture_logs() as lines:
        supervisor.order(operation)
        await trio.sleep(100)
    assert machine.signals == []
    assert "server_does_not_leave" in [line["event"] for line in lines]
    assert supervisor.closes == [pytest.approx(began + 3)]
    assert supervisor.state is State.DOWN
    supervisor.server_connected(4242)
    assert supervisor.state is State.CONNECTED


async def test_a_reload_ends_with_a_stranger_that_had_to_be_cut_off(make, machine, autojump_clock):
    supervisor = await make(command=(), stop_seconds=3)
    supervisor.server_connected(4242)
    async with trio.open_nursery() as reloading:
        reloading.start_soon(supervisor.reload)
        await trio.sleep(3.5)
        assert reloading.child_tasks
        supervisor.server_connected(4242)


async def test_a_stranger_is_cut_off_though_a_child_of_ours_had_to_go(
    running, machine, autojump_clock
):
    supervisor = await running(stop_seconds=3)
    supervisor.server_connected(4242)  # its link took the place of our child's
    began = trio.current_time()
    supervisor.order(Operation.SRELOAD)
    await trio.sleep(10)
    assert [number for _, _, number in machine.signals] == [signal.SIGTERM]
    assert supervisor.closes == [pytest.approx(began + 6)]
    assert len(machine.started) == 2


async def test_a_stranger_is_awaited_after_a_reload(make, machine, autojump_clock, nursery):
    supervisor = await make(command=())
    supervisor.server_connected(4242)
    with trio.fail_after(10):
        async with trio.open_nursery() as reloading:
            reloading.start_soon(supervisor.reload)
            await settled()
            supervisor.link_lost()
            assert supervisor.state is State.DOWN
            assert supervisor.restart_mode == "reload"
            supervisor.server_connected(4243)
    assert supervisor.state is State.CONNECTED


async def test_a_reload_may_take_too_long(make, machine, autojump_clock):
    supervisor = await make(command=(), stop_seconds=1, connect_seconds=5)
    supervisor.server_connected(4242)
    with pytest.raises(ServerUnavailable, match="within 7 seconds"):
        await supervisor.reload()


async def test_a_reload_without_anything_to_start(make, machine, autojump_clock):
    supervisor = await make(command=())
    with pytest.raises(ServerUnavailable, match="none is being started"):
        await supervisor.reload()


async def test_a_reload_cuts_the_delay_short(make, machine, autojump_clock):
    supervisor = await make(restart_seconds=25)
    machine.children[-1].exit(1)
    await settled()
    with trio.fail_after(1):
        async with trio.open_nursery() as reloading:
            reloading.start_soon(supervisor.reload)
            await settled()
            assert len(machine.started) == 2
            supervisor.server_connected(101)
    await trio.sleep(100)
    assert len(machine.started) == 2


async def test_a_reload_while_one_starts_waits_for_that_one(make, machine, autojump_clock):
    supervisor = await make()
    async with trio.open_nursery() as reloading:
        reloading.start_soon(supervisor.reload)
        await settled()
        supervisor.server_connected(100)
    assert len(machine.started) == 1
    assert supervisor.orders == []


async def test_a_reload_is_refused_while_stopping(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.order(Operation.SSHUTD)
    with pytest.raises(ServerUnavailable, match="being stopped"):
        await supervisor.reload()


async def test_a_game_may_order_before_it_has_answered(make, machine, autojump_clock):
    supervisor = await make()
    supervisor.order(Operation.SRESET)
    assert supervisor.state is State.RESETTING
    assert supervisor.orders == [Operation.SRESET]
    supervisor.server_connected(100)  # the answer comes late
    assert (supervisor.state, supervisor.restart_mode) == (State.RESETTING, "reset")
    supervisor.link_lost()
    machine.children[0].exit(0)
    await settled()
    assert len(machine.started) == 2


async def test_another_takes_over_during_a_reload(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.order(Operation.SRELOAD)
    supervisor.link_lost()
    supervisor.server_connected(4242)
    assert supervisor.state is State.CONNECTED
    machine.children[0].exit(0)
    await trio.sleep(100)
    assert (supervisor.state, supervisor.server_pid) == (State.CONNECTED, 4242)
    assert len(machine.started) == 1


async def test_an_unknown_order(running, machine, autojump_clock):
    supervisor = await running()
    with pytest.raises(KeyError):
        supervisor.order(Operation.PCONN)


# ---- stopping


async def test_stopping_waits_until_it_is_gone(running, machine, autojump_clock):
    supervisor = await running()
    async with trio.open_nursery() as stopping:
        stopping.start_soon(supervisor.stop_server)
        await settled()
        assert supervisor.orders == [Operation.SSHUTD]
        assert (supervisor.state, supervisor.restart_mode) == (State.STOPPING, "shutdown")
        supervisor.link_lost()
        machine.children[0].exit(0)
    assert supervisor.state is State.DOWN
    await trio.sleep(1000)
    assert len(machine.started) == 1
    await supervisor.stop_server()  # there is nothing to stop


async def test_stopping_one_that_obeys_nothing(running, machine, autojump_clock):
    supervisor = await running()
    machine.children[0].obeys = {signal.SIGKILL}
    began = trio.current_time()
    async with trio.open_nursery() as stopping:
        stopping.start_soon(supervisor.stop_server)
        await settled()
        supervisor.link_lost()
    assert [(time - began, number) for time, _, number in machine.signals] == [
        (pytest.approx(5), signal.SIGTERM),
        (pytest.approx(7), signal.SIGKILL),
    ]
    assert trio.current_time() - began == pytest.approx(7)


@pytest.mark.parametrize(("obeys", "seconds"), [(True, 2.5), (False, 3.5)])
async def test_stopping_a_stranger_is_bounded(make, machine, autojump_clock, obeys, seconds):
    supervisor = await make(command=())
    supervisor.obeys_close = obeys
    supervisor.server_connected(4242)
    began = trio.current_time()
    await supervisor.stop_server()
    assert trio.current_time() - began == pytest.approx(seconds)
    assert supervisor.closes == [pytest.approx(began + 2.5)]
    assert supervisor.state is (State.DOWN if obeys else State.STOPPING)


@pytest.mark.parametrize(("earlier", "term"), [(1, 6), (9, 10)])
async def test_an_earlier_order_gives_no_more_time(running, machine, autojump_clock, earlier, term):
    supervisor = await running()
    began = trio.current_time()
    supervisor.order(Operation.SSHUTD)
    await trio.sleep(earlier)
    await supervisor.stop_server()
    assert [(time - began, number) for time, _, number in machine.signals] == [
        (pytest.approx(term), signal.SIGTERM)
    ]
    assert len(supervisor.orders) == 1


async def test_stopping_in_the_delay(make, machine, autojump_clock):
    supervisor = await make()
    machine.children[-1].exit(1)
    await settled()
    await supervisor.stop_server()
    await trio.sleep(1000)
    assert supervisor.state is State.DOWN
    assert len(machine.started) == 1


async def test_stopping_while_it_starts(make, machine, autojump_clock):
    supervisor = await make()
    with trio.fail_after(1):
        await supervisor.stop_server()
    assert [number for _, _, number in machine.signals] == [signal.SIGTERM]


async def test_stopping_while_the_thread_is_at_it(make, machine, autojump_clock):
    machine.gate = trio.Event()
    supervisor = await make()
    with trio.fail_after(1):
        async with trio.open_nursery() as stopping:
            stopping.start_soon(supervisor.stop_server)
            await settled()
            assert supervisor.state is State.STOPPING
            machine.gate.set()
    assert [number for _, _, number in machine.signals] == [signal.SIGTERM]


async def test_one_that_connects_while_stopping_is_told_to_leave(make, machine, autojump_clock):
    supervisor = await make()
    machine.children[0].obeys = {signal.SIGKILL}
    async with trio.open_nursery() as stopping:
        stopping.start_soon(supervisor.stop_server)
        await settled()
        supervisor.server_connected(100)
        assert supervisor.orders == [Operation.SSHUTD]
        assert supervisor.state is State.STOPPING
        supervisor.link_lost()
        machine.children[0].exit(0)
    await trio.sleep(1000)
    assert len(machine.started) == 1


async def test_the_portal_s_end_is_told_before_the_server_s(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.on_stop = partial(supervisor.orders.append, "stop")
    supervisor.order(Operation.PSHUTD)
    assert supervisor.orders == ["stop", Operation.SSHUTD]


@pytest.mark.parametrize("operation", [Operation.SSHUTD, Operation.PSHUTD])
async def test_an_order_to_stop(running, machine, autojump_clock, operation):
    supervisor = await running()
    supervisor.order(operation)
    assert supervisor.state is State.STOPPING
    assert len(supervisor.stops) == (operation == Operation.PSHUTD)


async def test_the_portal_may_be_told_to_stop_without_a_server(make, machine, autojump_clock):
    supervisor = await make(command=())
    supervisor.order(Operation.PSHUTD)
    assert supervisor.stops == [True]


@pytest.mark.parametrize("obeys", [True, False])
async def test_cancelled_it_ends_the_server(machine, autojump_clock, obeys):
    supervisor = Supervisor(ServerConfig(command=COMMAND), Metrics(), environment={})
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await settled()
        if not obeys:
            machine.children[0].obeys = {signal.SIGKILL}
        nursery.cancel_scope.cancel()
    expected = [signal.SIGTERM] if obeys else [signal.SIGTERM, signal.SIGKILL]
    assert [number for _, _, number in machine.signals] == expected


# ---- real processes

REPORT = """
import json, os, sys
facts = {"sid": os.getsid(0), "pid": os.getpid(), "environment": dict(os.environ),
         "cwd": os.getcwd(), "input": sys.stdin.read()}
json.dump(facts, open(os.environ["REPORT"], "w"))
print("printed by the game")
"""

# A family whose members ignore SIGTERM and hold a connection each.
FAMILY = """
import os, signal, socket
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
held = socket.socket(socket.AF_UNIX)
held.connect(os.environ["SOCKET"])
held.send(b"x")
signal.pause()
"""


async def test_a_real_child(make, tmp_path, capfd):
    report = tmp_path / "report.json"
    with trio.fail_after(20):
        supervisor = await make(
            {"REPORT": str(report)},
            command=(sys.executable, "-c", REPORT),
            directory=str(tmp_path),
            failed_starts=1,
        )
        await until(supervisor, State.DOWN)
    facts = json.loads(report.read_text())
    assert facts["sid"] == facts["pid"] != os.getsid(0)
    assert facts["input"] == ""
    assert facts["environment"]["REPORT"] == str(report)
    assert facts["cwd"] == str(tmp_path)
    assert not await trio.Path(f"/proc/{facts['pid']}").exists()  # it was reaped
    captured = capfd.readouterr()
    assert "printed by the game" in captured.err
    assert "printed by the game" not in captured.out


async def test_a_whole_family_is_ended(make, tmp_path):
    path = str(tmp_path / "socket")
    listener = trio.socket.socket(trio.socket.AF_UNIX)
    await listener.bind(path)
    listener.listen(2)
    with listener, trio.fail_after(20):
        supervisor = await make(
            {"SOCKET": path},
            command=(sys.executable, "-c", FAMILY),
            failed_starts=1,
            stop_seconds=0.1,
        )
        for_each = [(await listener.accept())[0] for _ in range(2)]
        for held in for_each:
            assert await held.recv(1) == b"x"
        await supervisor.stop_server()
        for held in for_each:
            with held:
                assert await held.recv(1) == b""
    assert supervisor.state is State.DOWN


async def test_other_settings_count_from_the_next_start_on(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.reconfigure(
        ServerConfig(command=("other",), directory="/", restart_seconds=5.0, failed_starts=2)
    )
    machine.children[-1].exit(1)
    supervisor.link_lost()
    await trio.sleep(4.9)
    assert len(machine.started) == 1
    await trio.sleep(0.2)
    assert machine.started[1][1] == ["other"]
    assert machine.started[1][2]["cwd"] == "/"


async def test_another_patience_counts_from_the_next_order_on(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.reconfigure(ServerConfig(command=COMMAND, stop_seconds=2.0))
    began = trio.current_time()
    supervisor.order(Operation.SRELOAD)
    await trio.sleep(3)
    assert [(when - began, number) for when, _, number in machine.signals] == [
        (2.0, signal.SIGTERM)
    ]


async def test_a_command_where_there_was_none_is_for_the_next_order(make, machine, autojump_clock):
    supervisor = await make(command=())
    supervisor.reconfigure(ServerConfig(command=COMMAND))
    assert machine.started == []
    supervisor.start()
    await trio.testing.wait_all_tasks_blocked()
    assert len(machine.started) == 1


# ---- with Evennia's launcher


async def test_one_that_waits_for_an_order_to_start(make, machine, autojump_clock):
    supervisor = await make(autostart=False)
    assert machine.started == []
    assert supervisor.state is State.DOWN
    supervisor.start(("game", "--profiled"))
    await settled()
    supervisor.start()
    assert [command for _, command, _ in machine.started] == [["game", "--profiled"]]
    supervisor.server_connected(100)
    await supervisor.connected()
    machine.children[-1].exit(1)
    supervisor.link_lost()
    await trio.sleep(2)
    assert machine.started[-1][1] == ["game", "--profiled"], "it is the command from now on"


@pytest.mark.parametrize("operation", [Operation.SRELOAD, Operation.SRESET])
async def test_the_launcher_says_when_the_next_one_is_started(
    running, machine, autojump_clock, operation
):
    supervisor = await running()
    supervisor.order(operation, by_launcher=True)
    machine.children[-1].exit()
    supervisor.link_lost()
    await trio.sleep(1)
    assert len(machine.started) == 1
    supervisor.start()
    await settled()
    assert len(machine.started) == 2


async def test_its_word_may_come_before_the_old_one_has_ended(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.order(Operation.SRELOAD, by_launcher=True)
    supervisor.link_lost()
    supervisor.start()
    await settled()
    assert len(machine.started) == 1
    machine.children[-1].exit()
    await settled()
    assert len(machine.started) == 2


async def test_without_its_word_one_is_started_all_the_same(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.order(Operation.SRELOAD, by_launcher=True)
    machine.children[-1].exit()
    supervisor.link_lost()
    began = trio.current_time()
    await until(supervisor, State.STARTING)
    await trio.sleep(LAUNCHER_SECONDS + 1)
    assert machine.started[-1][0] == pytest.approx(began + LAUNCHER_SECONDS)


async def test_one_that_the_launcher_runs_itself_is_enough(running, machine, autojump_clock):
    supervisor = await running()
    supervisor.order(Operation.SRELOAD, by_launcher=True)
    machine.children[-1].exit()
    supervisor.link_lost()
    await trio.sleep(3)
    supervisor.server_connected(4711)
    await trio.sleep(100)
    assert len(machine.started) == 1
    supervisor.order(Operation.SRELOAD)  # in the game
    supervisor.link_lost()
    await settled()
    assert len(machine.started) == 2, "nobody's word is waited for any more"


# ---- in the background


class Background:
    """A Server that somebody else has put into the background."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None
        self.lives = True
        self.signals = []
        self._ended = trio.Event()

    async def wait(self):
        await self._ended.wait()

    def signal(self, number):
        self.signals.append(number)
        self.end()

    def end(self):
        self.lives = False
        self._ended.set()


@pytest.fixture
def stranger(monkeypatch):
    found = Background(77)
    monkeypatch.setattr(
        "portal.supervisor.find_stranger", lambda config, pid: found if pid == 77 else None
    )
    return found


async def test_one_of_a_portal_before_this_one_is_followed(make, machine, stranger, autojump_clock):
    supervisor = await make(autostart=False, pid_file="server.pid")
    supervisor.server_connected(77)
    await settled()
    assert supervisor.child_pid == 77
    assert machine.started == []
    supervisor.link_lost()
    assert supervisor.state is State.STARTING, "its process lives"
    stranger.end()
    await trio.sleep(2)
    assert len(machine.started) == 1, "it crashed, and another is started"


async def test_it_is_reloaded_when_it_has_ended(make, machine, stranger, autojump_clock):
    supervisor = await make(autostart=False, pid_file="server.pid")
    supervisor.server_connected(77)
    supervisor.order(Operation.SRELOAD)
    supervisor.link_lost()
    await trio.sleep(1)
    assert machine.started == []
    stranger.end()
    await settled()
    assert len(machine.started) == 1


async def test_one_that_does_not_leave_is_signalled(make, machine, stranger, autojump_clock):
    supervisor = await make(autostart=False, pid_file="server.pid")
    supervisor.server_connected(77)
    await settled()
    supervisor.order(Operation.SRELOAD)
    await trio.sleep(11)
    assert stranger.signals == [signal.SIGTERM]


async def test_one_in_somebody_s_terminal_is_theirs(make, machine, stranger, autojump_clock):
    supervisor = await make(autostart=False, pid_file="server.pid")
    supervisor.server_connected(78)
    await settled()
    supervisor.link_lost()
    await trio.sleep(100)
    assert supervisor.state is State.DOWN
    assert machine.started == []
