# SPDX-License-Identifier: Apache-2.0
"""Raw CDR endpoints with ROS 2 names and QoS on Eclipse Cyclone DDS.

The Python binding supplies entities, topic types and QoS. Writing and waiting go to the C library
through ctypes, which releases the GIL: the binding holds it while it writes, which would stop all
threads during a large image, and its wait does not tell what was triggered.
"""

import ctypes as c
import functools
import os
import sys
import threading

from cyclonedds import core
from cyclonedds._clayer import ddspy_take
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import make_idl_struct, types
from cyclonedds.internal import DDS
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

from rosless import interfaces

INFINITE = 0x7FFFFFFFFFFFFFFF
_ANY_STATE = 0x7F
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
# Fragments of 4000 bytes keep large best-effort images whole where the system allows only small
# receive buffers (measured, see README); Cyclone's own buffer default is too small for an image.
_DEFAULTS = """<CycloneDDS><Domain><General><MaxMessageSize>65500B</MaxMessageSize>
<FragmentSize>4000B</FragmentSize></General><Internal><SocketReceiveBufferSize min="default"
max="8MB"/></Internal></Domain></CycloneDDS>"""
_LOCALHOST = """<CycloneDDS><Domain><General><Interfaces><NetworkInterface address="127.0.0.1"/>
</Interfaces></General><Discovery><ParticipantIndex>auto</ParticipantIndex>
<MaxAutoParticipantIndex>32</MaxAutoParticipantIndex><Peers><Peer address="localhost"/></Peers>
</Discovery></Domain></CycloneDDS>"""


_library = c.CDLL(DDS._dll_handle._name)  # of our own: argument types are set on its functions
_library.dds_write.argtypes = c.c_int32, c.c_void_p
_library.dds_wait_for_acks.argtypes = c.c_int32, c.c_int64
_library.dds_waitset_attach.argtypes = c.c_int32, c.c_int32, c.c_int64
_library.dds_waitset_detach.argtypes = c.c_int32, c.c_int32
_library.dds_waitset_wait.argtypes = (
    c.c_int32,
    c.POINTER(c.c_int64),
    c.c_size_t,
    c.c_int64,
)


# ------------------------------------------------------------------------ domain and participant


def _keep_large_blocks():
    """Have glibc keep memory that images were in for the next ones, see mallopt(3).

    These are the limits to which it adapts by itself at most. Below them it hands the memory of an
    image back to the system and fetches it again, page by page, for every copy of every image:
    more work than all the rest (measured, see docs/performance.md of lfmvl_ros).
    """
    mallopt = getattr(c.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


_domains = {}
_domains_lock = threading.Lock()


def localhost_only():
    """True where the environment confines ROS 2 traffic to this machine."""
    return (
        os.environ.get("ROS_LOCALHOST_ONLY") == "1"
        or os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() == "LOCALHOST"
    )


def _ensure_domain(domain_id):
    """Create the domain of this process once: our defaults, then the user's CYCLONEDDS_URI."""
    with _domains_lock:
        if domain_id not in _domains:
            _keep_large_blocks()
            parts = [_DEFAULTS]
            parts += [_LOCALHOST] if localhost_only() else []
            parts += [os.environ["CYCLONEDDS_URI"]] if os.environ.get("CYCLONEDDS_URI") else []
            _domains[domain_id] = Domain(domain_id, ",".join(parts))


def receive_limit():
    """Largest receive buffer in bytes that this machine allows a socket, None if unknown."""
    try:
        with open("/proc/sys/net/core/rmem_max") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


class Participant:
    """One DDS participant with its topics; everything else is created on it."""

    def __init__(self, domain_id, enclave="/"):
        _ensure_domain(domain_id)
        user_data = Qos(Policy.Userdata(f"enclave={enclave};".encode()))
        self.entity = DomainParticipant(domain_id, qos=user_data)
        self.gid = self.entity.guid.bytes
        self._topics = {}
        self._lock = threading.Lock()

    def topic(self, name, type_name, service_header=False):
        """The topic (created once) with DDS name `name`."""
        with self._lock:
            key = (name, type_name)
            if key not in self._topics:
                data_type = _idl_type(type_name, service_header)
                self._topics[key] = Topic(self.entity, name, data_type)
            return self._topics[key]

    def close(self):
        """Delete the participant and all entities on it."""
        self.entity.__del__()


@functools.cache
def _idl_type(name, service_header=False):
    """The XTypes description of a message; its samples are raw CDR bytes on both sides."""
    fields = {"guid": types.uint64, "seq": types.int64} if service_header else {}
    for item in interfaces.definition(name).fields:
        if item.is_message:
            kind = _idl_type(item.base)
        elif item.base == "string":
            kind = types.bounded_str[item.bound] if item.bound else str
        else:
            kind = bool if item.base == "bool" else getattr(types, item.base)
        if item.kind == "array":
            kind = types.array[kind, item.size]
        elif item.kind == "sequence":
            kind = types.sequence[kind, item.size] if item.size else types.sequence[kind]
        fields[item.name] = kind
    package, folder, base = name.split("/")
    full = f"{package}.{folder}.dds_.{base}_"  # the binding turns the dots into "::"
    return make_idl_struct(f"{base}_", full, fields, dataclassify=False)


# --------------------------------------------------------------------------------- QoS, endpoints


def _policies(profile):
    """DDS policies of a rclpy QoSProfile, as ROS 2's own Cyclone DDS layer sets them."""
    keep_all = profile.history.name == "KEEP_ALL"
    history = Policy.History.KeepAll if keep_all else Policy.History.KeepLast(profile.depth or 1)
    best_effort = profile.reliability.name == "BEST_EFFORT"
    reliability = (
        Policy.Reliability.BestEffort if best_effort else Policy.Reliability.Reliable(INFINITE)
    )
    policies = [
        Policy.WriterDataLifecycle(autodispose=False),
        Policy.DataRepresentation(use_cdrv0_representation=True, use_xcdrv2_representation=False),
        history,
        reliability,
    ]
    if profile.durability.name == "TRANSIENT_LOCAL":
        policies.append(Policy.Durability.TransientLocal)
        policies.append(Policy.DurabilityService(0, history, -1, -1, -1))
    else:
        policies.append(Policy.Durability.Volatile)
    if profile.lifespan.nanoseconds:
        policies.append(Policy.Lifespan(profile.lifespan.nanoseconds))
    if profile.deadline.nanoseconds:
        policies.append(Policy.Deadline(profile.deadline.nanoseconds))
    lease = profile.liveliness_lease_duration.nanoseconds or INFINITE
    manual = profile.liveliness.name == "MANUAL_BY_TOPIC"
    liveliness = Policy.Liveliness.ManualByTopic if manual else Policy.Liveliness.Automatic
    policies.append(liveliness(lease))
    return policies


def _qos(type_name, profile, user_data="", ignore_local=False):
    """QoS of an endpoint; `user_data` is announced with it beside the type hash."""
    user_data += f"typehash={interfaces.type_hash(type_name)};"
    policies = [*_policies(profile), Policy.Userdata(user_data.encode())]
    return Qos(*policies, *([Policy.IgnoreLocal.Participant] if ignore_local else []))


class _Closing:
    """Deletes the entity at a known time, not when Python collects it."""

    closed = False

    def close(self):
        self.closed = True
        self.__del__()


class _Endpoint(_Closing):
    """What a reader and a writer have in common; `options` are those of `_qos`."""

    def __init__(self, participant, topic, type_name, profile, *, service_header=False, **options):
        self.name = topic
        described = participant.topic(topic, type_name, service_header)
        super().__init__(participant.entity, described, _qos(type_name, profile, **options))
        self.gid = self.guid.bytes


class _Container(c.Structure):
    """The sample of the binding's type: pointer and size of the CDR bytes."""

    _fields_ = [("data", c.c_void_p), ("size", c.c_size_t)]


class Writer(_Endpoint, DataWriter):
    """Writes CDR bytes."""

    @property
    def handle(self):
        """The instance handle, unsigned as on the wire."""
        return self.instance_handle % 2**64

    def write(self, buffer: bytearray):
        data = (c.c_char * len(buffer)).from_buffer(buffer)
        sample = _Container(c.addressof(data), len(buffer))
        code = _library.dds_write(self._ref, c.byref(sample))
        if code < 0:
            raise core.DDSException(code, f"Occurred when writing to {self.name}")

    def matched(self):
        """Handles of the readers connected."""
        return [] if self.closed else self.get_matched_subscriptions()

    def wait_for_acks(self, timeout_ns):
        return _library.dds_wait_for_acks(self._ref, timeout_ns) == 0


class Reader(_Endpoint, DataReader):
    """Takes CDR bytes; the condition with handle `condition` is triggered while samples wait."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._condition = core.ReadCondition(self, _ANY_STATE)
        self.condition = self._condition._ref

    def take(self):
        """(bytes, sample info) of the oldest sample waiting, None when there is none."""
        while not self.closed:
            samples = ddspy_take(self._ref, _ANY_STATE, 1)
            if not isinstance(samples, list) or not samples:
                return None
            data, info = samples[0]
            if info.valid_data:
                return data, info
        return None

    def matched(self):
        """Handles of the writers connected."""
        return [] if self.closed else self.get_matched_publications()


# -------------------------------------------------------------------------------------- waiting


class Guard(_Closing, core.GuardCondition):
    """A condition set by hand; it stays set until `clear`."""

    def __init__(self, participant):
        super().__init__(participant.entity)
        self.condition = self._ref

    def set(self):
        """Set it; does nothing once it or its participant is gone."""
        self._set_guardcondition(self._ref, True)

    def clear(self):
        self._set_guardcondition(self._ref, False)


class WaitSet(_Closing, core.WaitSet):
    """Waits for any of a set of conditions; remembers what is attached between waits."""

    def __init__(self, participant):
        super().__init__(participant.entity)
        self._conditions = set()

    def wait(self, conditions: set, timeout_ns: int) -> set:
        """The conditions triggered within `timeout_ns` (INFINITE: no limit)."""
        for condition in self._conditions - conditions:
            # fails harmlessly where the entity was deleted meanwhile
            _library.dds_waitset_detach(self._ref, condition)
        for condition in conditions - self._conditions:
            _library.dds_waitset_attach(self._ref, condition, condition)
        self._conditions = set(conditions)
        triggered = (c.c_int64 * len(conditions))()
        count = _library.dds_waitset_wait(self._ref, triggered, len(conditions), max(0, timeout_ns))
        return set(triggered[: max(0, min(count, len(conditions)))])
