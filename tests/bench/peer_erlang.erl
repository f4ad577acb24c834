%% peer_erlang -- gen_server calls between two Erlang nodes on this machine.
%%
%%     erl ... -run peer_erlang serve
%%     erl ... -run peer_erlang call NODE OUTSTANDING SECONDS
%%
%% Two nodes joined by Erlang's distribution, no third process between them. Each
%% outstanding call is a process that asks one gen_server to add two integers and checks
%% the sum. Prints one line of JSON; the first fifth of the time is warm-up.
-module(peer_erlang).
-behaviour(gen_server).
-export([serve/0, call/1, init/1, handle_call/3, handle_cast/2]).

serve() ->
    {ok, _} = gen_server:start({local, bench}, ?MODULE, [], []),
    io:format("ready~n").

init([]) -> {ok, none}.

handle_call({add, A, B}, _From, State) -> {reply, A + B, State}.

handle_cast(_Request, State) -> {noreply, State}.

call([Node, Outstanding, Seconds]) ->
    Server = {bench, list_to_atom(Node)},
    Milliseconds = round(1000 * list_to_float(Seconds)),
    Began = erlang:monotonic_time(),
    Unit = erlang:convert_time_unit(1, millisecond, native),
    From = Began + Milliseconds * Unit div 5,
    Until = Began + Milliseconds * Unit,
    Self = self(),
    Callers = [spawn_link(fun() ->
                              Self ! {self(), caller(Server, 1 bsl 32, From, Until, [])}
                          end)
               || _ <- lists:seq(1, list_to_integer(Outstanding))],
    Samples = lists:sort(lists:append([receive {Caller, List} -> List end
                                       || Caller <- Callers])),
    N = length(Samples),
    io:format("{\"calls_per_s\": ~w, \"p50_us\": ~.2f, \"p99_us\": ~.2f}~n",
              [round(N * 1000 / (Milliseconds * 0.8)), at_us(Samples, N * 50 div 100),
               at_us(Samples, N * 99 div 100)]),
    halt(0).

caller(Server, Number, From, Until, Samples) ->
    Before = erlang:monotonic_time(),
    Sum = gen_server:call(Server, {add, Number, 1}),
    Sum = Number + 1,
    After = erlang:monotonic_time(),
    if
        After >= Until -> Samples;
        After >= From -> caller(Server, Sum, From, Until, [After - Before | Samples]);
        true -> caller(Server, Sum, From, Until, Samples)
    end.

at_us(Samples, Index) ->
    erlang:convert_time_unit(lists:nth(Index + 1, Samples), native, nanosecond) / 1000.
