//! The scripted ECS is what it says it is: each plan, asked through the real SDK.

mod scene;

mod accounts;
mod calls;
mod courses;
mod definitions;
mod errands;
mod front;
mod lists;
mod ministack;
mod neighbours;
