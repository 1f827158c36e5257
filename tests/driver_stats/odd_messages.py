"""Messages that decoders may disagree about: hand-made ones, and good ones with a few bytes changed.

Each has a vehicle of its own, so that what one of them holds never meets another. None holds a line end.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

T = 1_700_000_040_000
ID = "@"
"""Stands for the message's vehicle in the texts below."""

_TAIL = f'"samples":{{"t":[{T},{T + 1000}],"speed":[10,20.5]}}}}'

_TEXTS = [
    "null",
    "[]",
    "17",
    '"text"',
    "{",
    '{"vehicle_id"',
    '{"vehicle_id":"@"',
    '{"vehicle_id":"@",' + _TAIL + " x",
    '{"vehicle_id":"@",' + _TAIL + "{}",
    '{"vehicle_id":"@",' + _TAIL + "\t ",
    " \t" + '{ "vehicle_id" : "@" , ' + _TAIL,
    "\ufeff" + '{"vehicle_id":"@",' + _TAIL,
    '{"vehicle_id":"@",' + _TAIL[:-1] + ",}",
    '{"vehicle_id":"@",,' + _TAIL,
    '{,"vehicle_id":"@",' + _TAIL,
    '{"vehicle_id":"@" ' + _TAIL,
    '{"vehicle_id" "@",' + _TAIL,
    "{'vehicle_id':'@'}",
    '{vehicle_id:"@",' + _TAIL,
    '{"vehicle_id":"@","vehicle_id":"@",' + _TAIL,
    '{"vehicle_id":"@","seq":null,"seq":1,' + _TAIL,
    '{"vehicle_id":"@","x":1,"x":2,' + _TAIL,
    '{"schema":"telemetry/1","vehicle_id":"@",' + _TAIL,
    '{"schema":"telemetry\\/1","vehicle_id":"@",' + _TAIL,
    '{"schema":"telemetry/2","vehicle_id":"@",' + _TAIL,
    '{"schema":null,"vehicle_id":"@",' + _TAIL,
    '{"schema":17,"vehicle_id":"@",' + _TAIL,
    '{"schema":17x',
    '{"schema":{},"vehicle_id":"@",' + _TAIL,
    '{"schema":["telemetry/1"],"vehicle_id":"@",' + _TAIL,
    '{"vehicle_id":"@","schema":"other","samples":',
    "{" + _TAIL,
    '{"vehicle_id":null,' + _TAIL,
    '{"vehicle_id":17,' + _TAIL,
    '{"vehicle_id":["@"],' + _TAIL,
    '{"vehicle_id":truex,' + _TAIL,
    '{"vehicle_id":true$,' + _TAIL,
    '{"vehicle_id":nullé,' + _TAIL,
    '{"vehicle_id":tru,' + _TAIL,
    '{"vehicle_id":12x,' + _TAIL,
    '{"vehicle_id":012,' + _TAIL,
    '{"vehicle_id":-,' + _TAIL,
    '{"vehicle_id":"",' + _TAIL,
    '{"vehicle_id":"@\\u0000",' + _TAIL,
    '{"vehicle_id":"@\\ud800",' + _TAIL,
    '{"vehicle_id":"@\\udc00\\ud800",' + _TAIL,
    '{"vehicle_id":"@\\ud83d\\ude97",' + _TAIL,
    '{"vehicle_id":"@\U0001f697",' + _TAIL,
    '{"vehicle_id":"@\\u00e9\\"\\\\\\/\\b\\f\\n\\r\\t",' + _TAIL,
    '{"vehicle_id":"@\\x41",' + _TAIL,
    '{"vehicle_id":"@\\u12G4",' + _TAIL,
    '{"vehicle_id":"@\x01",' + _TAIL,
    '{"vehicle_id":"@\x7f\u2028",' + _TAIL,
    '{"vehicle_id":"@' + "v" * 52 + '",' + _TAIL,
    '{"vehicle_id":"@' + "v" * 53 + '",' + _TAIL,
    '{"vehicle_id":"@' + "é" * 26 + '",' + _TAIL,
    '{"vehicle_id":"@' + "é" * 27 + '",' + _TAIL,
    '{"vehicle_id":"@' + "v" * 60 + '\\u0000",' + _TAIL,
    '{"vehicle_id":"@\\u0000' + "v" * 60 + '",' + _TAIL,
    '{"vehicle\\u005fid":"@",' + _TAIL,
    '{"x":{"vehicle_id":"other"},"vehicle_id":"@",' + _TAIL,
    '{"vehicle_id":"@","x":{"vehicle_id":"other"},' + _TAIL,
    '{"x":"\\"vehicle_id\\":\\"other\\"","vehicle_id":"@",' + _TAIL,
    '{"x":["vehicle_id"],"vehicle_id":"@",' + _TAIL,
    '{"vehicle_id"\t:\t"@",' + _TAIL,
    '{"vehicle_id":"@","driver_id":"",' + _TAIL,
    '{"vehicle_id":"@","driver_id":null,"fleet_id":null,"vehicle_class":null,"seq":null,' + _TAIL,
    '{"vehicle_id":"@","driver_id":17,' + _TAIL,
    '{"vehicle_id":"@","driver_id":["a"],' + _TAIL,
    '{"vehicle_id":"@","driver_id":"\\ud800x",' + _TAIL,
    '{"vehicle_id":"@","driver_id":"J\\u00f6rg \\"\\ud83d\\ude97\\"",' + _TAIL,
    '{"vehicle_id":"@","driver_id":"' + "ä" * 32 + '","fleet_id":"' + "f" * 64 + '",' + _TAIL,
    '{"vehicle_id":"@","driver_id":"' + "ä" * 32 + 'b",' + _TAIL,
    '{"vehicle_id":"@","vehicle_class":"strict_log",' + _TAIL,
    '{"vehicle_id":"@","seq":7,' + _TAIL,
    '{"vehicle_id":"@","seq":-7,' + _TAIL,
    '{"vehicle_id":"@","seq":"7,' + _TAIL,
    '{"vehicle_id":"@","seq":7.0,' + _TAIL,
    '{"vehicle_id":"@","seq":7e0,' + _TAIL,
    '{"vehicle_id":"@","seq":true,' + _TAIL,
    '{"vehicle_id":"@","seq":9223372036854775807,' + _TAIL,
    '{"vehicle_id":"@","seq":9223372036854775808,' + _TAIL,
    '{"vehicle_id":"@","seq":-9223372036854775807,' + _TAIL,
    '{"vehicle_id":"@","seq":-9223372036854775808,' + _TAIL,
    '{"vehicle_id":"@","seq":' + "9" * 1000 + "," + _TAIL,
    '{"vehicle_id":"@","seq":' + "9" * 1001 + "," + _TAIL,
    '{"vehicle_id":"@","seq":-' + "9" * 1000 + "," + _TAIL,
    '{"vehicle_id":"@","x":' + "9" * 1001 + "," + _TAIL,
    '{"vehicle_id":"@","x":[1,{"a":[],"b":{}},"c",-0.5e-3,true,false,null],' + _TAIL,
    '{"vehicle_id":"@","x":[1,],' + _TAIL,
    '{"vehicle_id":"@","x":[1}],' + _TAIL,
    '{"vehicle_id":"@","x":{"a"},' + _TAIL,
    '{"vehicle_id":"@","x":NaN,' + _TAIL,
    '{"vehicle_id":"@","x":-Infinity,' + _TAIL,
    '{"vehicle_id":"@","x":+1,' + _TAIL,
    '{"vehicle_id":"@","x":1.5.5,' + _TAIL,
    '{"vehicle_id":"@","x":"\x1f",' + _TAIL,
    '{"vehicle_id":"@","x":' + "[" * 998 + "]" * 998 + "," + _TAIL,
    '{"vehicle_id":"@","x":' + "[" * 999 + "]" * 999 + "," + _TAIL,
    '{"vehicle_id":"@","x":' + "[" * 1000 + "]" * 1000 + "," + _TAIL,
    '{"vehicle_id":"@","x":' + '{"a":' * 999 + "1" + "}" * 999 + "," + _TAIL,
    '{"vehicle_id":"@","x":' + "[" * 50_000,
    "[" * 50_000,
    '{"vehicle_id":"@"}',
    '{"vehicle_id":"@","samples":null}',
    '{"vehicle_id":"@","samples":[]}',
    '{"vehicle_id":"@","samples":"x',
    '{"vehicle_id":"@","samples":{}}',
    '{"vehicle_id":"@","samples":{"speed":[1]}}',
    '{"samples":{"speed":[1]}}',
]

_ARRAYS = [
    '"t":null',
    '"t":T',
    '"t":[]',
    '"t":"x',
    '"t":[],"speed":[1]',
    '"t":["T"]',
    '"t":["T',
    '"t":[1.0]',
    '"t":[T.0]',
    '"t":[T,null]',
    '"t":[T,[T]]',
    '"t":[T,true]',
    '"t":[T,1699999999999]',
    '"t":[T,1699999999999,x',
    '"t":[T,T,T]',
    '"t":[0]',
    '"t":[-0]',
    '"t":[-1]',
    '"t":[-1,x',
    '"t":[946684799999]',
    '"t":[946684800000]',
    '"t":[4102444800000]',
    '"t":[4102444800001]',
    '"t":[99999999999999999999]',
    '"t":[9223372036854775808,NaN]',
    '"t":[T 1]',
    '"t":[T,]',
    '"t":[,T]',
    '"t":[0T]',
    '"t":[T],"t":[T]',
    '"t":[T],"\\u0074":[T]',
    '"t" : [ T ,\tT ] , "speed" : [ 1 , null ]',
    '"t":[T,T],"speed":[1]',
    '"speed":[1,2],"t":[T]',
    '"t":[T],"speed":[]',
    '"t":[T],"speed":null',
    '"t":[T],"speed":1',
    '"t":[T],"speed":{}',
    '"t":[T],"speed":"1',
    '"t":[T],"speed":["1"]',
    '"t":[T],"speed":["1',
    '"t":[T],"speed":[true]',
    '"t":[T],"speed":[[1]]',
    '"t":[T],"speed":[{}]',
    '"t":[T],"speed":[[[[[[[[',
    '"t":[T],"speed":[-0.1]',
    '"t":[T],"speed":[-0]',
    '"t":[T],"speed":[-0.0]',
    '"t":[T],"speed":[500]',
    '"t":[T],"speed":[500.00000000000001]',
    '"t":[T],"speed":[500.0000001]',
    '"t":[T],"speed":[501,NaN]',
    '"t":[T],"speed":[NaN,501]',
    '"t":[T],"speed":[1e2]',
    '"t":[T],"speed":[1E+2]',
    '"t":[T],"speed":[1e]',
    '"t":[T],"speed":[1e+]',
    '"t":[T],"speed":[1.]',
    '"t":[T],"speed":[1.e5]',
    '"t":[T],"speed":[.5]',
    '"t":[T],"speed":[+1]',
    '"t":[T],"speed":[01]',
    '"t":[T],"speed":[00.5]',
    '"t":[T],"speed":[-01]',
    '"t":[T],"speed":[-]',
    '"t":[T],"speed":[1.5.5]',
    '"t":[T],"speed":[900.5.5]',
    '"t":[T],"speed":[1-2]',
    '"t":[T],"speed":[900x]',
    '"t":[T],"speed":[0x10]',
    '"t":[T],"speed":[1,]',
    '"t":[T],"speed":[1,,2]',
    '"t":[T],"speed":[1 2]',
    '"t":[T],"speed":[nul]',
    '"t":[T],"speed":[nullx]',
    '"t":[T],"speed":[Infinity]',
    '"t":[T],"speed":[4.35]',
    '"t":[T],"speed":[123.456789012345678901234567890]',
    '"t":[T],"speed":[2.2250738585072011e-308]',
    '"t":[T],"speed":[1e-400]',
    '"t":[T],"speed":[1e999]',
    '"t":[T],"odometer":[-1e999]',
    '"t":[T],"odometer":[1e11]',
    '"t":[T],"odometer":[100000000000]',
    '"t":[T],"odometer":[100000000001]',
    '"t":[T],"speed":[' + "9" * 999 + "]",
    '"t":[T],"speed":[' + "9" * 1001 + "]",
    '"t":[T],"speed":[1.' + "9" * 999 + "]",
    '"t":[T],"speed":[1.' + "9" * 1000 + "]",
    '"t":[T],"speed":[0.' + "0" * 500 + "1e-" + "0" * 498 + "1]",
    '"t":[T],"speed":[0.' + "0" * 500 + "1e-" + "0" * 499 + "1]",
    '"t":[T],"ignition":[1]',
    '"t":[T],"ignition":["true"]',
    '"t":[T],"ignition":["tr',
    '"t":[T],"ignition":[truefalse]',
    '"t":[T],"ignition":[true,true]',
    '"t":[T],"ignition":[null]',
    '"t":[T],"ignition":[false]',
    '"t":[T],"ignition":true',
    '"t":[T],"rpm":[1,2,"three",{"t":[0]}]',
    '"t":[T],"rpm":[1,2',
    '"t":[T],"lat":[90],"lon":[-180]',
    '"t":[T],"lat":[90.0000001],"lon":[-180.1]',
    '"t":[T],"lat":[1,2],"speed":[1,2,3]',
]

_BYTES = [
    b'{"vehicle_id":"@\xff",' + _TAIL.encode(),
    b'{"vehicle_id":"@\xc3",' + _TAIL.encode(),
    b'{"vehicle_id":"@\xc1\x81",' + _TAIL.encode(),
    b'{"vehicle_id":"@\xed\xa0\x80",' + _TAIL.encode(),
    b'{"vehicle_id":"@\xed\xa0\xbd\xed\xba\x97",' + _TAIL.encode(),
    b'{"vehicle_id":"@\xc0\x80",' + _TAIL.encode(),
    b'{"vehicle_id":"@\xf5\x80\x80\x80",' + _TAIL.encode(),
    b'{"vehicle_id":"@","driver_id":"\xc1\x81\xe0\x81\x81",' + _TAIL.encode(),
    b'{"vehicle_id":"@","driver_id":"\xc0\xa2",' + _TAIL.encode(),
    b'{"vehicle_id":"@","driver_id":"\xf0\x9f\x9a\x97",' + _TAIL.encode(),
    b'{"vehicle_id":"@","driver_id":"\xf0\x9f\x9a",' + _TAIL.encode(),
    b'{"vehicle_id":"@","driver_id":"\\ud83d\xed\xba\x97",' + _TAIL.encode(),
    b'{"vehicle_id":"@","x":"\x80",' + _TAIL.encode(),
    b'{"vehicle_id":"@","x":"\xf8\x88\x80\x80\x80",' + _TAIL.encode(),
    b'{"vehicle_id":"@","x":"\xed\xa0\x80\xc0\x80",' + _TAIL.encode(),
    b'{"vehicle_id":"@","x\xff":1,' + _TAIL.encode(),
    b'{"vehicle_id":"@","\xffdriver_id":"ann",' + _TAIL.encode(),
    b'{"vehicle_id":"@","samp\xffles":{"t":[1700000040000]}}',
    b'{"vehicle_id":"@","seq":"7","lat":"\xff",' + _TAIL.encode(),
    b'{"vehicle_id":"@","x\xed\xa0\x80":1,' + _TAIL.encode(),
    b'{"vehicle_id":"@","x\xc0\x80\xc1\x81":1,' + _TAIL.encode(),
    b'{"vehicle_id":"@","x\xf5\x80\x80\x80":1,' + _TAIL.encode(),
    b'{"vehicle_id":"@","seq":"\xed\xa0\x80",' + _TAIL.encode(),
    b'{"vehicle_id":"@","schema":"\xed\xa0\x80",' + _TAIL.encode(),
    b'{"vehicle_id":"@","x":["\xed\xa0\x80"],' + _TAIL.encode(),
    b'{"vehicle_id":"@",\xc2\xa0' + _TAIL.encode(),
    b'{"vehicle_id":"@",\x00' + _TAIL.encode(),
    b'{"vehicle_id":"@",' + _TAIL.encode() + b"\xff",
    b"\xff\xfe{\x00",
    b"\x00",
    b" ",
]


def hand_made() -> Iterator[bytes]:
    """The messages above, each with the vehicle ``hand-N``."""
    bodies = [text.encode() for text in _TEXTS]
    bodies += [
        ('{"vehicle_id":"@","samples":{' + text.replace("T", str(T)) + "}}").encode() for text in _ARRAYS
    ]
    bodies += _BYTES
    for index, body in enumerate(bodies):
        yield body.replace(ID.encode(), f"hand-{index:07}".encode())


def changed(count: int, seed: int = 1) -> Iterator[bytes]:
    """Good messages of which one to three bytes, or a stretch, were replaced, doubled or taken away."""
    chance = random.Random(seed)
    interesting = b'{}[]",:\\.-+eE0123456789truefalsnu \t\x00\x1f\x7f\x80\xbf\xc3\xe9\xed\xf0\xfe\xff'
    for index in range(count):
        body = bytearray(_good(chance, f"{index:04}-{chance.randbytes(8).hex()}"))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            at = chance.randrange(len(body))
            match chance.randrange(5):
                case 0:
                    body[at] = chance.choice(interesting)
                case 1:
                    body[at:at] = bytes([chance.choice(interesting)])
                case 2:
                    del body[at]
                case 3:
                    del body[at : at + chance.randrange(30)]
                case 4:
                    body[at:at] = body[at : at + chance.randrange(12)]
        yield bytes(body) or b" "


def _good(chance: random.Random, vehicle_id: str) -> bytes:
    count = chance.randrange(1, 4)
    samples: dict[str, object] = {
        "t": [T + 1000 * index for index in range(count)],
        "speed": [round(chance.uniform(0, 90), chance.randrange(4)) for _ in range(count)],
        "lat": [chance.choice((None, 52.5, -1.25e-3)) for _ in range(count)],
        "ignition": [chance.choice((None, True, False)) for _ in range(count)],
        "rpm": [1, {"a": "b"}],
    }
    fields: dict[str, object] = {
        "schema": "telemetry/1",
        "vehicle_id": vehicle_id,
        "driver_id": chance.choice((None, "ann", "Jörg")),
        "seq": chance.randrange(1000),
        "samples": dict(chance.sample(list(samples.items()), len(samples))),
    }
    names = chance.sample(list(fields), len(fields))
    return json.dumps({name: fields[name] for name in names}, ensure_ascii=chance.random() < 0.5).encode()
