//! What users and peers see, on real processes and real sockets.

#![allow(unreachable_pub)] // a test binary has no outside
#![allow(clippy::unwrap_used)] // panicking is how a test fails

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod autoreload;
mod body;
mod cluster;
mod cluster_alone;
mod commands;
mod daemon;
mod environ;
mod error_answers;
mod errors;
mod fastcgi;
mod fifo;
mod forking;
mod frameworks;
mod fronts;
mod gunicorn_signals;
mod handover;
mod harakiri;
mod health;
mod hooks;
mod http;
mod http_family;
mod http_limits;
mod isolation;
mod jobs;
mod loading;
mod log_zeromq;
mod logging;
mod mongrel2;
mod nginx;
mod notify;
mod processes;
mod proxy;
mod pythons;
mod raw;
mod recycling;
mod reload;
mod resilience;
mod scaling;
mod scgi;
mod shared_hosting;
mod signals;
mod site_figures;
mod site_processes;
mod site_safety;
mod sites;
mod slow;
mod slow_clients;
mod smuggling;
mod sockets;
mod static_files;
mod stats;
mod touch;
mod trusted_proxies;
mod uwsgi_module;
mod uwsgitop;
mod vhost;
mod websocket;
mod wsgi;
