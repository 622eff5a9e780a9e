# SPDX-License-Identifier: Apache-2.0
"""Raw CDR endpoints with ROS 2 names and QoS on Eclipse Cyclone DDS.

The Python binding supplies domain, participant, topic types and QoS conversion. Endpoints and wait
sets go to the C library through ctypes, which releases the GIL in every call: the binding itself
holds it, and would stop all threads during a wait or a large write.
"""

import ctypes as c
import os
import threading

from cyclonedds._clayer import ddspy_take, ddspy_topic_create
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import make_idl_struct, types
from cyclonedds.internal import DDS
from cyclonedds.qos import Policy, Qos, _CQos

from rosless import interfaces

INFINITE = 0x7FFFFFFFFFFFFFFF
_ANY_STATE = 0x7F
# Fragments of 4000 bytes keep large best-effort images whole where the system allows only small
# receive buffers (measured, see README); Cyclone's own buffer default is too small for an image.
_DEFAULTS = """<CycloneDDS><Domain><General><MaxMessageSize>65500B</MaxMessageSize>
<FragmentSize>4000B</FragmentSize></General><Internal><SocketReceiveBufferSize min="default"
max="8MB"/></Internal></Domain></CycloneDDS>"""
_LOCALHOST = """<CycloneDDS><Domain><General><Interfaces><NetworkInterface address="127.0.0.1"/>
</Interfaces></General><Discovery><ParticipantIndex>auto</ParticipantIndex>
<MaxAutoParticipantIndex>32</MaxAutoParticipantIndex><Peers><Peer address="localhost"/></Peers>
</Discovery></Domain></CycloneDDS>"""


class DdsError(RuntimeError):
    """A call to Cyclone DDS failed."""


def _function(name, result, *arguments):
    function = getattr(DDS._dll_handle, name)
    function.restype, function.argtypes = result, arguments
    return function


_create_reader = _function(
    "dds_create_reader", c.c_int32, c.c_int32, c.c_int32, c.c_void_p, c.c_void_p
)
_create_writer = _function(
    "dds_create_writer", c.c_int32, c.c_int32, c.c_int32, c.c_void_p, c.c_void_p
)
_create_condition = _function("dds_create_readcondition", c.c_int32, c.c_int32, c.c_uint32)
_create_guard = _function("dds_create_guardcondition", c.c_int32, c.c_int32)
_set_guard = _function("dds_set_guardcondition", c.c_int32, c.c_int32, c.c_bool)
_create_waitset = _function("dds_create_waitset", c.c_int32, c.c_int32)
_attach = _function("dds_waitset_attach", c.c_int32, c.c_int32, c.c_int32, c.c_int64)
_detach = _function("dds_waitset_detach", c.c_int32, c.c_int32, c.c_int32)
_wait = _function(
    "dds_waitset_wait", c.c_int32, c.c_int32, c.POINTER(c.c_int64), c.c_size_t, c.c_int64
)
_delete = _function("dds_delete", c.c_int32, c.c_int32)
_write = _function("dds_write", c.c_int32, c.c_int32, c.c_void_p)
_acks = _function("dds_wait_for_acks", c.c_int32, c.c_int32, c.c_int64)
_guid = _function("dds_get_guid", c.c_int32, c.c_int32, c.c_void_p)
_handle = _function("dds_get_instance_handle", c.c_int32, c.c_int32, c.POINTER(c.c_uint64))
_matched_readers = _function(
    "dds_get_matched_subscriptions", c.c_int32, c.c_int32, c.POINTER(c.c_uint64), c.c_size_t
)
_matched_writers = _function(
    "dds_get_matched_publications", c.c_int32, c.c_int32, c.POINTER(c.c_uint64), c.c_size_t
)


def _checked(code, doing):
    if code < 0:
        raise DdsError(f"Cyclone DDS failed ({code}) while {doing}")
    return code


# ------------------------------------------------------------------------ domain and participant

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
        self.ref = self.entity._ref
        self.guid = _get_guid(self.ref)
        self._topics = {}
        self._lock = threading.Lock()

    def topic(self, name, type_name, service_header=False):
        """Handle of the topic (created once) with DDS name `name`."""
        with self._lock:
            key = (name, type_name)
            if key not in self._topics:
                data_type = _idl_type(type_name, service_header)
                data_type.__idl__.populate()
                data_type.__idl__.fill_type_data()
                ref = ddspy_topic_create(self.ref, name, data_type, None, None)
                self._topics[key] = _checked(ref, f"creating topic {name} of {type_name}")
            return self._topics[key]

    def close(self):
        """Delete the participant and all entities on it."""
        if self.ref:
            self.ref = 0
            self.entity.__del__()


_IDL_TYPES = {
    "bool": bool,
    "char": types.uint8,
    **{n: getattr(types, n) for n in interfaces.PRIMITIVES if n not in ("bool", "char")},
}
_idl_cache = {}


def _idl_type(name, service_header=False):
    """The XTypes description of a message; its samples are raw CDR bytes on both sides."""
    key = (name, service_header)
    if key in _idl_cache:
        return _idl_cache[key]
    fields = {"guid": types.uint64, "seq": types.int64} if service_header else {}
    for item in interfaces.definition(name).fields:
        if item.is_message:
            kind = _idl_type(item.base)
        elif item.base == "string":
            kind = types.bounded_str[item.bound] if item.bound else str
        else:
            kind = _IDL_TYPES[item.base]
        if item.kind == "array":
            kind = types.array[kind, item.size]
        elif item.kind == "sequence":
            kind = types.sequence[kind, item.size] if item.size else types.sequence[kind]
        fields[item.name] = kind
    package, folder, base = name.split("/")
    full = f"{package}.{folder}.dds_.{base}_"  # the binding turns the dots into "::"
    _idl_cache[key] = make_idl_struct(f"{base}_", full, fields, dataclassify=False)
    return _idl_cache[key]


def _get_guid(ref):
    buffer = (c.c_uint8 * 16)()
    _checked(_guid(ref, buffer), "reading a GUID")
    return bytes(buffer)


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


class _Endpoint:
    """A reader or writer; `user_data` is announced with it beside the type hash."""

    def __init__(self, participant, topic, type_name, profile, *, create, user_data="", **options):
        service = options.get("service_header", False)
        topic_ref = participant.topic(topic, type_name, service)
        policies = _policies(profile)
        user_data += f"typehash={interfaces.type_hash(type_name)};"
        policies.append(Policy.Userdata(user_data.encode()))
        if options.get("ignore_local"):
            policies.append(Policy.IgnoreLocal.Participant)
        c_qos = _CQos.qos_to_cqos(Qos(*policies))
        try:
            ref = create(participant.ref, topic_ref, c_qos, None)
        finally:
            _CQos.cqos_destroy(c_qos)
        self.ref = _checked(ref, f"creating an endpoint of {topic}")
        self.topic, self.guid = topic, _get_guid(self.ref)

    def close(self):
        if self.ref:
            _delete(self.ref)
            self.ref = 0


class _Container(c.Structure):
    """The sample of the binding's type: pointer and size of the CDR bytes."""

    _fields_ = [("data", c.c_void_p), ("size", c.c_size_t)]


class Writer(_Endpoint):
    """Writes CDR bytes."""

    def __init__(self, participant, topic, type_name, profile, **options):
        super().__init__(participant, topic, type_name, profile, create=_create_writer, **options)
        handle = c.c_uint64()
        _checked(_handle(self.ref, c.byref(handle)), "reading an instance handle")
        self.instance_handle = handle.value

    def write(self, buffer: bytearray):
        data = (c.c_char * len(buffer)).from_buffer(buffer)
        sample = _Container(c.addressof(data), len(buffer))
        _checked(_write(self.ref, c.byref(sample)), f"writing to {self.topic}")

    def matched(self):
        """Number of readers connected."""
        return max(0, _matched_readers(self.ref, None, 0))

    def matched_handles(self):
        return _handles(_matched_readers, self.ref)

    def wait_for_acks(self, timeout_ns):
        return _acks(self.ref, timeout_ns) == 0


class Reader(_Endpoint):
    """Takes CDR bytes; `condition` is triggered while samples wait."""

    def __init__(self, participant, topic, type_name, profile, **options):
        super().__init__(participant, topic, type_name, profile, create=_create_reader, **options)
        self.condition = _checked(_create_condition(self.ref, _ANY_STATE), "creating a condition")

    def take(self):
        """(bytes, sample info) of the oldest sample waiting, None when there is none."""
        while self.ref:
            samples = ddspy_take(self.ref, _ANY_STATE, 1)
            if not isinstance(samples, list) or not samples:
                return None
            data, info = samples[0]
            if info.valid_data:
                return data, info
        return None

    def matched(self):
        """Number of writers connected."""
        return max(0, _matched_writers(self.ref, None, 0))

    def matched_handles(self):
        return _handles(_matched_writers, self.ref)


def _handles(function, ref):
    count = max(0, function(ref, None, 0))
    handles = (c.c_uint64 * count)()
    found = max(0, function(ref, handles, count))
    return list(handles)[: min(found, count)]


# -------------------------------------------------------------------------------------- waiting


class Guard:
    """A condition set by hand; it stays set until `clear`."""

    def __init__(self, participant):
        self.condition = _checked(_create_guard(participant.ref), "creating a guard condition")

    def set(self):
        if self.condition:
            _set_guard(self.condition, True)

    def clear(self):
        if self.condition:
            _set_guard(self.condition, False)

    def close(self):
        if self.condition:
            _delete(self.condition)
            self.condition = 0


class WaitSet:
    """Waits for any of a set of conditions; remembers what is attached between waits."""

    def __init__(self, participant):
        self.ref = _checked(_create_waitset(participant.ref), "creating a wait set")
        self._attached = set()

    def wait(self, conditions: set, timeout_ns: int) -> set:
        """The conditions triggered within `timeout_ns` (INFINITE: no limit)."""
        for condition in self._attached - conditions:
            _detach(self.ref, condition)  # fails harmlessly where the entity was deleted meanwhile
        for condition in conditions - self._attached:
            _attach(self.ref, condition, condition)
        self._attached = set(conditions)
        triggered = (c.c_int64 * len(conditions))()
        count = _wait(self.ref, triggered, len(conditions), max(0, timeout_ns))
        return set(triggered[: max(0, min(count, len(conditions)))])

    def close(self):
        if self.ref:
            _delete(self.ref)
            self.ref = 0


def builtin_reader(participant, pseudo_topic):
    """Handle of a reader of one of Cyclone DDS' built-in topics."""
    return _checked(_create_reader(participant.ref, pseudo_topic, None, None), "reading discovery")
