"""What shows each row of docs/faults.md, and that the page names limits that there are."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

import avrpc

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "faults.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("| when |", "|---"))
]


# By what a row begins with: files and tests.
SHOWN_BY: dict[str, list[tuple[str, str]]] = {
    "a connection begins with something else: HTTP, TLS, SSH, noise": [
        ("wire/test_connection", "test_what_is_no_handshake_is_refused_with_its_first_bytes"),
        (
            "test_server_connection",
            "test_garbage_ends_its_connection_with_one_line_in_the_log_and_nothing_else",
        ),
    ],
    "a frame comes that is not legal then, is cut, garbled, or of an unknown kind": [
        (
            "wire/test_every_frame",
            "test_frame_that_is_cut_or_longer_or_garbled_is_a_violation_or_another_value",
        ),
        ("wire/test_incoming", "test_frame_of_unknown_kind_is_a_violation"),
    ],
    "a frame says that it is longer than it may be": [
        ("wire/test_incoming", "test_frame_that_is_too_long_is_refused_on_its_header"),
        (
            "wire/test_properties",
            "test_any_chunks_give_the_same_events_and_never_more_is_held_than_a_frame",
        ),
    ],
    "frames are empty": [
        ("wire/test_incoming", "test_frame_with_a_wrong_field_is_a_violation"),
        ("wire/test_incoming", "test_piece_that_breaks_a_rule_is_a_violation"),
    ],
    "a value in pieces never ends": [
        ("test_watch", "test_half_value_is_given_up_and_the_connection_goes_on"),
        ("wire/test_properties", "test_half_values_hold_no_more_than_the_limits_together"),
    ],
    "a value does not decode, holds too many values, or nests too deep": [
        ("test_hostile", "test_hostile_value_is_an_error_of_its_call"),
        ("test_server_call", "test_any_number_of_bad_values_ends_their_calls_alone"),
    ],
    "a value is larger than announced": [
        (
            "wire/test_incoming",
            "test_call_with_a_value_too_large_is_told_once_and_waits_for_its_status",
        ),
        ("test_call", "test_item_larger_than_the_peer_takes_is_refused_here_and_the_call_goes_on"),
    ],
    "metadata is too long, or has too many entries": [
        ("wire/test_primitives", "test_metadata_with_too_many_entries_is_refused"),
        ("test_client_message", "test_metadata_takes_bytes_and_text_and_is_held_to_the_limits"),
    ],
    "compressed bytes are a bomb, or are none": [
        ("wire/test_inflating", "test_too_large_is_noticed_before_anything_is_inflated"),
        ("wire/test_inflating", "test_every_truncation_breaks_a_rule"),
        ("wire/test_contexts", "test_peer_that_begins_too_many_breaks_a_rule"),
    ],
    "nothing comes, or a byte now and then": [
        ("test_server", "test_strangers_that_never_shake_hands_hold_up_others_for_their_time_only"),
        ("test_tls_closing", "test_one_timer_is_for_both_handshakes"),
    ],
    "a pack says that it is huge": [
        ("wire/test_packs", "test_pack_that_is_too_long_is_refused_on_its_lengths"),
    ],
    "a protocol is a bomb: a record in itself, records that double, an array of nothing": [
        ("test_hostile", "test_hostile_text_is_refused_and_others_go_on"),
    ],
    "two versions are dear to compare": [
        ("test_versions", "test_versions_too_large_to_be_compared_say_why_nothing_is_called"),
    ],
    "a hash is claimed that is that of another text": [
        ("test_hostile", "test_a_hash_that_is_not_the_texts_is_refused"),
        ("test_handshake", "test_nothing_is_learnt_from_a_text_with_the_hash_of_another"),
    ],
    "each client brings another protocol": [
        ("test_memory", "test_cache_of_a_server_stays_small_whatever_clients_send"),
        ("test_hostile", "test_a_flood_of_protocols_leaves_memory_flat"),
    ],
    "a second handshake comes, or frames before the answer": [
        ("wire/test_every_frame", "test_frame_is_no_pack"),
        ("wire/test_connection", "test_bytes_of_a_client_before_it_was_answered_are_a_violation"),
    ],
    "a stranger asks": [
        ("test_strangers", "test_stranger_gets_the_same_bytes_at_the_same_time_whatever_it_names"),
    ],
    "a certificate is wrong, or one end speaks no TLS": [
        ("test_tls_sockets", "test_ends_that_do_not_agree_say_why"),
        ("test_tls_sockets", "test_plain_client_at_a_tls_address_is_told_which_one_it_is"),
    ],
    "the server has another version after a reconnect": [
        ("test_versions", "test_message_that_does_not_fit_raises_before_anything_is_sent"),
        ("test_versions", "test_server_refuses_such_a_call_of_a_client_that_makes_it_all_the_same"),
    ],
    "a peer reads nothing": [
        (
            "test_semantics_flow",
            "test_client_that_reads_nothing_at_all_bounds_what_the_server_holds",
        ),
        ("test_watch", "test_client_that_takes_nothing_is_cut_after_30_seconds"),
    ],
    "a reader is slow, or gives no credit": [
        ("test_semantics_flow", "test_one_slow_reader_among_a_hundred_streams_holds_up_no_other"),
        (
            "test_semantics_deadlines",
            "test_send_of_a_handler_that_waits_for_credit_ends_at_the_deadline_even_shielded",
        ),
    ],
    "items come without credit; credit of nothing, or of too much": [
        ("wire/test_incoming", "test_items_may_take_credit_below_zero_but_not_begin_there"),
        ("wire/test_incoming", "test_credit_of_nothing_or_too_much_is_a_violation"),
    ],
    "ids are skipped, or come again": [
        ("wire/test_incoming", "test_call_that_leaves_out_an_id_is_a_violation"),
        (
            "wire/test_incoming",
            "test_items_beyond_the_credit_that_an_ended_call_had_left_are_a_violation",
        ),
    ],
    "a connection lives for very long": [
        ("wire/test_connection", "test_calls_go_on_whatever_their_ids_have_come_to"),
    ],
    "a client opens more calls than were announced": [
        ("wire/test_incoming", "test_call_above_the_limit_is_a_violation_until_one_has_ended"),
        ("test_session", "test_calls_beyond_the_limit_wait_and_get_their_slots_in_turn"),
    ],
    "all connections together have too many handlers running": [
        ("test_server_connection", "test_handlers_beyond_the_limit_are_refused_and_have_not_run"),
    ],
    "calls are opened and cancelled as fast as can be": [
        (
            "test_server_connection",
            "test_cancelled_handlers_keep_their_slots_until_they_have_ended",
        ),
        ("torture/test_cancels", "test_cancelled_calls_leave_nothing"),
    ],
    "PINGs come without end": [
        ("test_watch", "test_flood_of_pings_ends_the_connection"),
        ("wire/test_outgoing", "test_pings_of_a_peer_that_does_not_read_do_not_fill_the_buffer"),
    ],
    "a client never ends its items": [
        (
            "test_semantics_deadlines",
            "test_receive_of_a_handler_ends_at_the_deadline_even_shielded",
        ),
        ("test_server_call", "test_handler_has_the_servers_longest_time_at_most"),
    ],
    "a deadline is zero, below zero, or centuries off": [
        ("test_server_call", "test_call_with_no_time_left_is_not_run"),
        ("test_server_call", "test_call_with_all_the_time_that_can_be_told_is_run"),
    ],
    "the wall clock is set": [
        ("test_semantics_deadlines", "test_clock_of_the_wall_may_be_set_meanwhile"),
    ],
    "an answer crosses a cancel, or the deadline": [
        ("wire/test_states", "test_no_outcome_comes_twice_and_none_from_the_client"),
        ("test_semantics_cancel", "test_call_cancelled_at_any_step_leaves_nothing_behind"),
    ],
    "the network goes silent, or the other machine loses its power": [
        ("test_watch", "test_silent_partition_is_noticed_by_both_ends_within_55_seconds"),
    ],
    "the connection breaks after any byte": [
        ("test_semantics_cancel", "test_peer_lost_after_any_byte_is_one_outcome_and_no_clean_end"),
    ],
    "bytes are late, few at a time, reset, cut one way or lost one way, with TLS and without": [
        (
            "torture/test_faults",
            "test_every_kind_of_call_ends_in_time_with_one_outcome_and_leaves_nothing",
        ),
    ],
    "a handler raises what its message does not declare": [
        ("test_leaks", "test_what_a_handler_raises_stays_here"),
        ("test_server_call", "test_caller_learns_an_id_and_the_log_the_rest"),
    ],
    "it raises a group, or a `Cancelled` that is not ours": [
        ("test_server_call", "test_group_of_several_errors_is_not_declared"),
        ("test_server_call", "test_cancelled_that_a_handler_kept_ends_its_call_only"),
    ],
    "it raises `SystemExit` or `KeyboardInterrupt`": [
        ("test_server_call", "test_exit_of_a_handler_ends_the_server_and_stays_what_it_is"),
    ],
    "it goes on when its caller is gone": [
        (
            "test_server_call",
            "test_at_the_deadline_a_thread_is_abandoned_and_counts_until_it_returns",
        ),
        (
            "test_server_call",
            "test_shielded_receive_raises_broken_resource_when_the_caller_is_gone",
        ),
    ],
    "a peer writes line ends, colours or a megabyte where it is logged": [
        ("test_foreign_texts", "test_garbage_in_the_handshake"),
        ("test_log", "test_exception_of_a_megabyte_is_cut"),
    ],
}


@cache
def functions_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    return frozenset(
        one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_row_is_shown_by_something() -> None:
    assert [row[0] for row in ROWS] == [*SHOWN_BY]
    assert all(then for _, then, _ in ROWS)


@pytest.mark.parametrize("row", SHOWN_BY)
def test_what_shows_a_row_is_there(row: str) -> None:
    for file, function in SHOWN_BY[row]:
        assert function in functions_in(ROOT / "tests" / f"{file}.py"), function


def test_limits_are_fields_or_stand_in_the_page_of_limits() -> None:
    known = {field.name for field in fields(avrpc.Limits)}
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[2])}
    assert named
    assert named <= known


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
